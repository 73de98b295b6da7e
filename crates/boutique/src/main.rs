//! The operators' command line.

use std::io;
use std::process::ExitCode;

use boutique::Cli;
use clap::{CommandFactory, FromArgMatches};
use service_kit::{failed, with_secrets_from_files};

fn main() -> ExitCode {
    let cli = match parse() {
        Ok(cli) => cli,
        Err(error) => return failed(error),
    };
    let mut out = io::stdout().lock();
    let done = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(anyhow::Error::from)
        .and_then(|runtime| runtime.block_on(boutique::run(cli, &mut out, &mut io::stderr())));
    done.map_or_else(failed, |()| ExitCode::SUCCESS)
}

fn parse() -> anyhow::Result<Cli> {
    let mut command = with_secrets_from_files(Cli::command(), |name| std::env::var_os(name))?;
    let matches = command.try_get_matches_from_mut(std::env::args_os())?;
    Ok(Cli::from_arg_matches(&matches).map_err(|error| error.format(&mut command))?)
}
