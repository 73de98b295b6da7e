//! Breaks everything that can break, while orders of every kind are placed, and audits what is left.
//!
//! * `faults`: what is broken when; drawn from a seed.
//! * `replicas`: the processes that are killed, frozen and started again.
//! * `inject`: carries a fault out.
//! * `traffic`: customers, their orders, and what they see on their streams.
//! * `poison`: records that nobody can process, and the dead letters that must come of them.
//! * `verdict`: whether what customers, databases, topics and mails tell fits together; with `requests`, what
//!   customers were answered, and `streams`, what they were told.
//! * `replay`: reads every topic once more, of which nothing may come.
//! * `leaks`: looks for secrets in the logs.
//! * `report`: what it all came to.

mod faults;
mod inject;
mod leaks;
mod poison;
mod replay;
mod replicas;
mod report;
mod requests;
mod streams;
mod traffic;
mod verdict;

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use test_support::stack::checkout;
use tokio::time::Instant;

use crate::{
    audit::{self, Breach, Violation},
    binaries::Profile,
    crowd::stocked_sku,
    ports::Choice,
    say,
    shop::Shop,
    stack::{self, PARTITIONS, Settings, Stack, Unsupervised},
};

use inject::Injector;
use poison::Readers;
use traffic::Traffic;
use verdict::Happened;

pub use faults::Target;
pub use replicas::Replicas;

pub use report::Report;

/// How `chaos` is run.
#[derive(Debug, Clone, Copy, clap::Args)]
pub struct Options {
    /// Seconds for which orders are placed and things are broken
    #[arg(long, default_value_t = 60)]
    pub duration: u64,
    /// What the faults and orders are drawn from; a random one unless told
    #[arg(long)]
    pub seed: Option<u64>,
    /// Orders placed a second
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub rate: u32,
    /// Replicas of each service
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u8).range(1..=9))]
    pub replicas: u8,
    /// Nodes of Kafka, each of which has all records
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=3))]
    pub brokers: u8,
    /// Build the services without optimisation, which is quicker
    #[arg(long)]
    pub debug: bool,
}

/// Seconds after which an unpaid order expires: longer than most faults last.
const ORDER_EXPIRY: &str = "20";

/// Seconds for which a token is good: customers sign in again while things break.
const TOKEN_LIFETIME: &str = "30";

/// The stack that `chaos` runs.
pub const NAME: &str = "chaos";

/// Brings up a stack of its own with replicas, behind proxies, and runs traffic and faults on it; then
/// everything is made whole again, and audited. What that came to is printed, and written to
/// `target/<name>/report.json`.
///
/// # Errors
///
/// When an order was lost, or anything does not add up.
pub async fn command(name: &str, options: Options) -> Result<()> {
    let seed = options.seed.unwrap_or_else(rand::random);
    let settings = Settings {
        name: name.to_owned(),
        profile: Profile::of(options.debug),
        ports: Choice::Free,
        variables: vec![
            ("orders", "ORDER_EXPIRY_SECONDS", ORDER_EXPIRY.to_owned()),
            ("auth", "ACCESS_TOKEN_SECONDS", TOKEN_LIFETIME.to_owned()),
        ],
        fresh: true,
        unsupervised: Unsupervised::All,
        kafka_nodes: options.brokers.into(),
        partitions: PARTITIONS,
        breakable: true,
    };
    let path = checkout().join("target").join(name).join("report.json");
    // Whatever ends this run, the report of another must not stand for it.
    let _ = std::fs::remove_file(&path);
    let mut violations = None;
    stack::with(settings, async |stack| {
        let mut report = Report::new(&options, seed);
        if let Err(error) = run(stack, options, seed, &mut report).await {
            let broken = vec![format!("{error:#}")];
            report.add(Violation::of(Breach::Failure, "the run comes to its end", broken));
        }
        report.print();
        report.write(&path)?;
        violations = Some(report.violations.len());
        Ok(())
    })
    .await?;
    let violations = violations.context("the run was interrupted")?;
    ensure!(
        violations == 0,
        "{violations} rules are violated; `cargo xtask chaos --seed {seed}` draws the same faults"
    );
    Ok(())
}

async fn run(stack: &Stack, options: Options, seed: u64, report: &mut Report) -> Result<()> {
    say(&format!(
        "\n{} s of {} orders a second on {} replicas of each service and {} nodes of Kafka; the seed is {seed}",
        options.duration, options.rate, options.replicas, options.brokers
    ));
    let replicas = Replicas::start(stack, options.replicas.into()).await?;
    let shop = Shop::of_replicas(replicas.urls())?;
    let sku = stocked_sku(&shop, &stack.description.admin).await?;
    let mut random = StdRng::seed_from_u64(seed);
    let traffic = Traffic::open(&shop, &stack.description.admin, sku, random.random()).await?;
    let readers = Readers::documented()?;
    let stocked = audit::kept(&stack.description.database_url).await?.stock;
    let injector = Injector::new(stack, &replicas).await?;

    let until = Instant::now() + Duration::from_secs(options.duration);
    let mut poison_from = StdRng::seed_from_u64(seed ^ 1);
    let (placed, faults, planted) = tokio::join!(
        traffic.place(options.rate, until),
        injector.break_things(&mut random, until),
        poison::plant(&stack.description.kafka_brokers, &readers, &mut poison_from, until),
    );
    let faults = faults?;
    report.count_faults(&faults, planted.acknowledged);
    let placed = placed?;
    say(&format!("orders accepted: {placed}"));
    say("everything is whole again; waiting for the last orders to end");

    let happened = Happened { stocked, placed, planted, readers: &readers };
    if verdict::judge(stack, &happened, &traffic, report).await? {
        let changes = replay::changes(stack, &replicas).await?;
        report.add(Violation::of(Breach::ReplayChange, "a replay changes nothing", changes));
    }
    let secrets = [leaks::of_stack(stack).as_slice(), &traffic.secrets()].concat();
    let leaks = leaks::search(stack, &secrets)?;
    report.add(Violation::of(Breach::LogLeak, "no secret stands in a log", leaks));
    Ok(())
}
