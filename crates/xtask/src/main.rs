//! Developer commands; `cargo xtask help` lists them.

use anyhow::Result;
use clap::{Parser, Subcommand};
use xtask::test_stack;

#[derive(Debug, Parser)]
#[command(name = "cargo xtask", about = "Developer commands of Boutique")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// A Postgres and a Kafka that stay up for repeated test runs
    #[command(subcommand)]
    TestStack(TestStack),
}

#[derive(Debug, Subcommand)]
enum TestStack {
    /// Start it, with empty data, unless it is up
    Up,
    /// Stop it and remove its data
    Down,
}

#[tokio::main]
async fn main() -> Result<()> {
    match Arguments::parse().command {
        Command::TestStack(TestStack::Up) => test_stack::up().await,
        Command::TestStack(TestStack::Down) => test_stack::down().await,
    }
}
