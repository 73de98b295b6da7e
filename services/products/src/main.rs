//! Boutique products binary.

use std::process::ExitCode;

use clap::Subcommand;
use products::{SERVICE, seed, start};

/// What the service does besides serving.
#[derive(Subcommand)]
enum Command {
    /// Puts the sample products into the catalogue that it does not have yet
    Seed,
}

fn main() -> ExitCode {
    service_kit::main_with_commands(SERVICE, start, async |kit, _config, Command::Seed| {
        seed::run(&kit.pool).await
    })
}
