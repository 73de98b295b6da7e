//! Boutique products binary.

use std::process::ExitCode;

use clap::Subcommand;
use products::{Inbound, SERVICE, seed, start};
use service_kit::{DeadLetterCommand, Kit};

/// What the service does besides serving.
#[derive(Subcommand)]
enum Command {
    /// Puts the sample products into the catalogue that it does not have yet
    Seed,
    #[command(flatten)]
    DeadLetters(DeadLetterCommand),
}

fn main() -> ExitCode {
    service_kit::main_with_commands(SERVICE, start, async |kit: &mut Kit, _config, command| {
        match command {
            Command::Seed => seed::run(&kit.pool).await.map(|()| ExitCode::SUCCESS),
            Command::DeadLetters(command) => Ok(command.run(kit, &Inbound).await),
        }
    })
}
