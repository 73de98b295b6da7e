//! `boutique-load`: places orders as a plan says, and measures how long they take.

use std::io::{Read, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use bench::ceiling;
use bench::outcome::Said;
use bench::plan::Plan;
use clap::{Parser, Subcommand};
use tokio::runtime::Builder;

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
    /// Measure what a part of an order costs by itself
    #[command(subcommand)]
    Ceiling(Ceiling),
}

#[derive(Debug, Subcommand)]
enum Ceiling {
    /// The SQL of its saga, on a scratch database
    Sql(ceiling::sql::Options),
    /// Its records, on scratch topics
    Kafka(ceiling::kafka::Options),
    /// Its request, as a plan on the standard input says, though at a bare server
    Http {
        /// A service's database, with the keys of tokens
        #[arg(long, env = "DATABASE_URL", hide_env_values = true)]
        database_url: String,
    },
    /// Be that server
    #[command(hide = true)]
    Serve {
        #[arg(long, env = "DATABASE_URL", hide_env_values = true)]
        database_url: String,
    },
}

fn main() -> ExitCode {
    let command = Arguments::parse().command;
    // One thread: the other processor is for the shop. The server is no part of the load.
    let mut runtime = match command {
        Command::Ceiling(Ceiling::Serve { .. }) => Builder::new_multi_thread(),
        _ => Builder::new_current_thread(),
    };
    let done = runtime.enable_all().build().map_err(Into::into).and_then(|runtime| {
        // What still reads is not waited for.
        let done = runtime.block_on(run(command));
        runtime.shutdown_background();
        done
    });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "boutique-load: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(command: Command) -> Result<()> {
    let floor = match command {
        Command::Run { plan } => {
            let outcome = bench::run::run(read(plan)?).await?;
            return bench::say(&Said::Outcome(Box::new(outcome)));
        }
        Command::Ceiling(Ceiling::Serve { database_url }) => {
            return ceiling::server::run(&database_url).await;
        }
        Command::Ceiling(Ceiling::Sql(options)) => ceiling::sql::run(&options).await?,
        Command::Ceiling(Ceiling::Kafka(options)) => ceiling::kafka::run(&options).await?,
        Command::Ceiling(Ceiling::Http { database_url }) => {
            ceiling::http::run(read(None)?, &database_url).await?
        }
    };
    bench::say(&Said::Floor(floor))
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
