//! Breaks everything that can break, while orders of every kind are placed, and audits what is left.
//!
//! * `faults`: what is broken when; drawn from a seed.
//! * `replicas`: the processes that are killed, frozen and started again.
//! * `inject`: carries a fault out.
//! * `traffic`: customers, their orders, and what they see on their streams.
//! * `replay`: reads every topic once more, of which nothing may come.
//! * `verdict`: whether what they were told is what the databases and topics say.

mod faults;
mod inject;
mod replay;
mod replicas;
mod traffic;
mod verdict;

use std::time::Duration;

use anyhow::{Result, ensure};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::time::Instant;

use crate::{
    audit,
    binaries::Profile,
    load::stocked_sku,
    ports::Choice,
    say,
    shop::Shop,
    stack::{self, Settings, Stack, Unsupervised},
};

use inject::Injector;
use replicas::Replicas;
use traffic::Traffic;

/// How `chaos` is run.
#[derive(Debug, Clone, Copy, clap::Args)]
pub struct Options {
    /// Seconds for which orders are placed and things are broken
    #[arg(long, default_value_t = 60)]
    duration: u64,
    /// What the faults and orders are drawn from; a random one unless told
    #[arg(long)]
    seed: Option<u64>,
    /// Orders placed a second
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=1000))]
    rate: u32,
    /// Replicas of each service
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u8).range(1..=9))]
    replicas: u8,
    /// Nodes of Kafka, each of which has all records
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=3))]
    brokers: u8,
    /// Build the services without optimisation, which is quicker
    #[arg(long)]
    debug: bool,
}

/// Seconds after which an unpaid order expires: longer than most faults last.
const ORDER_EXPIRY: &str = "20";

/// Brings up a stack of its own with replicas, behind proxies, and runs traffic and faults on it; then
/// everything is made whole again, and audited.
///
/// # Errors
///
/// When an order was lost, or anything does not add up.
pub async fn command(options: Options) -> Result<()> {
    let seed = options.seed.unwrap_or_else(rand::random);
    let settings = Settings {
        name: "chaos".to_owned(),
        profile: Profile::of(options.debug),
        ports: Choice::Free,
        variables: vec![("orders", "ORDER_EXPIRY_SECONDS", ORDER_EXPIRY.to_owned())],
        fresh: true,
        unsupervised: Unsupervised::All,
        kafka_nodes: options.brokers.into(),
        breakable: true,
    };
    stack::with(settings, async |stack| run(stack, options, seed).await).await
}

async fn run(stack: &Stack, options: Options, seed: u64) -> Result<()> {
    say(&format!(
        "\n{} s of {} orders a second on {} replicas of each service and {} nodes of Kafka; the seed is {seed}",
        options.duration, options.rate, options.replicas, options.brokers
    ));
    let replicas = Replicas::start(stack, options.replicas.into()).await?;
    let shop = Shop::of_replicas(replicas.urls())?;
    let sku = stocked_sku(&shop, &stack.description.admin).await?;
    let mut random = StdRng::seed_from_u64(seed);
    let traffic = Traffic::open(&shop, &stack.description.admin, sku, random.random()).await?;
    let injector = Injector::new(stack, &replicas).await?;

    let until = Instant::now() + Duration::from_secs(options.duration);
    let (placed, faults) =
        tokio::join!(traffic.place(options.rate, until), injector.break_things(&mut random, until));
    let (placed, faults) = (placed?, faults?);
    say("everything is whole again; waiting for the last orders to end");

    let settled = audit::settled(&stack.description.database_url).await;
    let mut violations = verdict::violations(stack, &placed, traffic.seen()).await?;
    if settled.is_ok() {
        let changes = replay::changes(stack, &replicas).await?;
        violations.extend(
            changes.into_iter().map(|change| format!("a replay changes nothing: {change}")),
        );
    }
    say(&format!("\nfaults: {faults}"));
    say(&format!("orders accepted: {placed}"));
    for violation in &violations {
        say(&format!("violated: {violation}"));
    }
    if violations.is_empty() {
        say(
            "what customers were told is what the databases and the topics say, and a replay changes nothing",
        );
    }
    settled?;
    ensure!(
        violations.is_empty(),
        "{} rules are violated; `cargo xtask chaos --seed {seed}` draws the same faults",
        violations.len()
    );
    Ok(())
}
