//! `boutique-load`: places orders as a plan says, and measures how long they take.

use std::io::Read;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use bench::outcome::Said;
use bench::plan::Plan;
use clap::{Parser, Subcommand};

/// Places orders at a shop and measures how long they take. Meant to be started by `cargo xtask bench`.
#[derive(Debug, Parser)]
#[command(name = "boutique-load", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Carry out a plan, print each second how it goes, and at last what came of it, as lines of JSON
    Run {
        /// A file with the plan, as JSON; without it, the plan is read from the standard input
        plan: Option<PathBuf>,
    },
}

// One thread: the other processor is for the shop.
#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run(Arguments::parse().command).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            use std::io::Write;
            let _ = writeln!(std::io::stderr(), "boutique-load: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(command: Command) -> Result<()> {
    match command {
        Command::Run { plan } => {
            let outcome = bench::run::run(read(plan)?).await?;
            bench::say(&Said::Outcome(Box::new(outcome)))
        }
    }
}

fn read(plan: Option<PathBuf>) -> Result<Plan> {
    let text = if let Some(path) = plan {
        std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?
    } else {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text).context("cannot read the plan")?;
        text
    };
    serde_json::from_str(&text).context("this is no plan")
}
