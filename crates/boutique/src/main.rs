//! The operators' command line.

use std::io::{self, Write};
use std::process::ExitCode;

use boutique::Cli;
use clap::{CommandFactory, FromArgMatches};
use service_kit::with_secrets_from_files;

fn main() -> ExitCode {
    let cli = match parse() {
        Ok(cli) => cli,
        Err(error) => match error.downcast::<clap::Error>() {
            Ok(error) => error.exit(),
            Err(error) => return failed(&error),
        },
    };
    let mut out = io::stdout().lock();
    let done = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(anyhow::Error::from)
        .and_then(|runtime| runtime.block_on(boutique::run(cli, &mut out)));
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failed(&error),
    }
}

fn parse() -> anyhow::Result<Cli> {
    let mut command = with_secrets_from_files(Cli::command(), |name| std::env::var_os(name))?;
    let matches = command.try_get_matches_from_mut(std::env::args_os())?;
    Ok(Cli::from_arg_matches(&matches).map_err(|error| error.format(&mut command))?)
}

fn failed(error: &anyhow::Error) -> ExitCode {
    let is_broken_pipe = error
        .downcast_ref::<io::Error>()
        .is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe);
    // Whoever reads the first lines only, such as `head`, has what they wanted.
    if !is_broken_pipe {
        let _ = writeln!(io::stderr(), "error: {error:#}");
    }
    ExitCode::FAILURE
}
