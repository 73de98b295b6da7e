//! Developer commands; `cargo xtask help` lists them.

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};
use xtask::binaries::Profile;
use xtask::{
    bench, chaos, checks, complain, demo, fuzz_api, logs, schemas, stack, status, stop, test_stack,
};

#[derive(Debug, Parser)]
#[command(name = "cargo xtask", about = "Developer commands of Boutique")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Start the stack and the seven services, and keep them up until Ctrl-C
    Up {
        /// Build the services without optimisation, which is quicker
        #[arg(long)]
        debug: bool,
    },
    /// Stop what `up` started, from another shell
    Down,
    /// Tell each part's process, port and health
    Status,
    /// Show the end of the logs
    Logs {
        /// A service, `postgres` or `kafka`; all of them when left out
        part: Option<String>,
        /// Go on showing what is added
        #[arg(short, long)]
        follow: bool,
    },
    /// Stop the stack and delete its data; downloads are kept
    Reset,
    /// Start a stack of its own, place orders of every kind, and watch each to its end
    Demo {
        /// Build the services without optimisation, which is quicker
        #[arg(long)]
        debug: bool,
    },
    /// Measure how long an order takes, how many there can be, and what each costs
    Bench(bench::Options),
    /// Asks every service for all that its OpenAPI document names, and holds the answers against it
    FuzzApi(fuzz_api::Options),
    /// Break everything that can break while orders are placed, and audit what is left
    Chaos(chaos::Options),
    /// Check formatting, lints and documents, and run all tests
    Test {
        /// Passed on to `cargo test`
        #[arg(last = true)]
        arguments: Vec<String>,
    },
    /// Write the schemas of the events, the document of their topics, and the page of both
    Contracts {
        /// Also the released schemas and the services' documents, with which later changes must be compatible
        #[arg(long)]
        release: bool,
    },
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
async fn main() -> ExitCode {
    match run(Arguments::parse().command).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&format!("\nerror: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

async fn run(command: Command) -> Result<()> {
    match command {
        Command::Up { debug } => stack::up(Profile::of(debug)).await,
        Command::Down => stop::down().await,
        Command::Status => status::show().await,
        Command::Logs { part, follow } => logs::show(part.as_deref(), follow).await,
        Command::Reset => stop::reset().await,
        Command::Demo { debug } => demo::command(Profile::of(debug)).await,
        Command::Bench(options) => Box::pin(bench::command(options)).await,
        Command::FuzzApi(options) => fuzz_api::command(options).await,
        Command::Chaos(options) => chaos::command(chaos::NAME, options).await,
        Command::Test { arguments } => checks::run(&arguments).await,
        Command::Contracts { release } => schemas::write(release).await,
        Command::TestStack(TestStack::Up) => test_stack::up().await,
        Command::TestStack(TestStack::Down) => test_stack::down().await,
    }
}
