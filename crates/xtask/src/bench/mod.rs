//! What the system can do: how long an order takes, how many there can be, and what each costs.
//!
//! * `stage`: a stack of its own with customers and stocked products on it.
//! * `generator`: runs `boutique-load`, which places the orders and sees them end.
//! * `meter`: what an order costs: processor time, transactions, bytes, records, and how large batches were.

mod batches;
mod generator;
mod meter;
mod stage;

use anyhow::{Result, ensure};
use bench::{Arrivals, Mix, Outcome};

use crate::bench::meter::{Meter, Spent};
use crate::bench::stage::Stage;
use crate::say;

/// How `bench` is run.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// Measure for a shorter time and with fewer orders; the same report, less exact
    #[arg(long)]
    quick: bool,
    /// Measure these alone
    #[arg(long, value_delimiter = ',')]
    only: Vec<Phase>,
    /// Seconds of the saturation
    #[arg(long)]
    seconds: Option<f64>,
    /// Connections of the saturation
    #[arg(long, default_value_t = 256)]
    connections: usize,
}

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Phase {
    /// As many orders as can be.
    Saturation,
}

/// Brings a stack of its own up and measures on it.
///
/// # Errors
///
/// When an order was lost or the audit found something, after everything was told.
pub async fn command(options: Options) -> Result<()> {
    stage::with(options.quick, async |stage| saturation(&stage, &options).await).await
}

async fn saturation(stage: &Stage<'_>, options: &Options) -> Result<()> {
    let seconds = options.seconds.unwrap_or(if options.quick { 15.0 } else { 60.0 });
    let connections = options.connections;
    say(&format!("\nas many orders as can be: {connections} connections for {seconds} s"));
    let arrivals = Arrivals::Closed { connections, seconds, orders: None };
    let plan = stage.plan(arrivals, Mix::default())?;
    let (outcome, spent) = measured(stage, &plan).await?;
    tell(&outcome, &spent);
    ensure!(outcome.lost == 0, "{} orders were lost: {:?}", outcome.lost, outcome.lost_examples);
    stage.audit().await
}

/// Carries out a plan and measures what it costs.
async fn measured(stage: &Stage<'_>, plan: &bench::Plan) -> Result<(Outcome, Spent)> {
    stage.forget_peaks();
    let before = Meter::now(stage).await?;
    let outcome = generator::run(&stage.generator, plan).await?;
    let spent = Meter::now(stage).await?.since(&before, &outcome);
    Ok((outcome, spent))
}

fn tell(outcome: &Outcome, spent: &Spent) {
    let Outcome { sent, accepted, completed, errors, .. } = outcome;
    say(&format!(
        "{:.0} orders/s: {sent} sent, {accepted} accepted in {:.1} s, {completed} completed in {:.1} s, \
         {} behind when sending ended",
        outcome.completed_per_second,
        outcome.placed_in_seconds,
        outcome.ended_in_seconds,
        outcome.backlog_at_end,
    ));
    say(&format!(
        "{} refused {:?}, {errors} errors{}, {} lost",
        outcome.refusals(),
        outcome.refused,
        outcome.first_error.as_ref().map(|error| format!(" ({error})")).unwrap_or_default(),
        outcome.lost,
    ));
    for (what, latency) in [("202", &outcome.accept), ("the end", &outcome.end)] {
        say(&format!(
            "POST to {what}: median {:.1} ms, 99 % {:.1} ms, 99.9 % {:.1} ms, longest {:.1} ms",
            latency.p50_ms, latency.p99_ms, latency.p999_ms, latency.max_ms
        ));
    }
    spent.tell();
}
