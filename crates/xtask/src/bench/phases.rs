//! The loads that are put on the system, one after the other.

use anyhow::Result;
use bench::{Arrivals, Mix, Plan, Second, Streams};

use super::generator;
use super::laps::median;
use super::length::Length;
use super::meter::Meter;
use super::report::{Idle, Paced, Run, Sse};
use super::stage::Stage;
use crate::say;

/// Connections that place as many orders as they can.
pub const CONNECTIONS: usize = 256;
/// Connections, at the most, of orders that arrive at a rate.
const PACED_CONNECTIONS: usize = 1024;
/// Orders a second of which none waits for another.
const IDLE_RATE: f64 = 10.0;
/// Customers of those, each with a stream.
const IDLE_CUSTOMERS: usize = 16;
/// Orders a second while many streams are open; each is told on some twenty.
const RATE_WITH_STREAMS: f64 = 100.0;
const STREAMS_PER_SECOND: f64 = 500.0;

/// Carries a plan out and measures what it costs.
pub async fn measured(stage: &Stage<'_>, plan: &Plan) -> Result<Run> {
    stage.forget_peaks();
    let before = Meter::now(stage).await?;
    let outcome = generator::run(&stage.generator, plan).await?;
    let spent = Meter::now(stage).await?.since(&before, &outcome);
    Ok(Run::new(outcome, spent))
}

/// As many orders as can be.
pub fn closed(stage: &Stage<'_>, seconds: f64) -> Result<Plan> {
    closed_loop(stage, None, seconds)
}

/// So many orders as fast as can be, for so long at the most.
pub fn closed_up_to(stage: &Stage<'_>, orders: u64, seconds: f64) -> Result<Plan> {
    closed_loop(stage, Some(orders), seconds)
}

fn closed_loop(stage: &Stage<'_>, orders: Option<u64>, seconds: f64) -> Result<Plan> {
    let arrivals = Arrivals::Closed { connections: CONNECTIONS, seconds, orders };
    stage.plan(arrivals, Mix::default())
}

/// Few orders, which are told on streams.
pub async fn idle(stage: &Stage<'_>, length: &Length) -> Result<Idle> {
    say(&format!("\nidle: {IDLE_RATE} orders/s"));
    stage.vacuum().await?;
    // No checkpoint: behind it the log has whole pages, which these orders would pay for.
    stage.sync().await?;
    let arrivals = Arrivals::Open {
        rate: IDLE_RATE,
        seconds: length.idle_seconds,
        connections: PACED_CONNECTIONS,
    };
    let mut plan = stage.plan(arrivals, Mix::default())?;
    plan.customers.truncate(IDLE_CUSTOMERS);
    plan.streams = Some(Streams { count: plan.customers.len(), per_second: STREAMS_PER_SECOND });
    let run = measured(stage, &plan).await?;
    let told = run.outcome.streams.clone().unwrap_or_default().end;
    Ok(Idle {
        p50_ms: told.p50_ms,
        p99_ms: told.p99_ms,
        p999_ms: told.p999_ms,
        accept_p50_ms: run.outcome.accept.p50_ms,
        accept_p99_ms: run.outcome.accept.p99_ms,
        run,
    })
}

/// As many orders as can be.
pub async fn saturation(stage: &Stage<'_>, length: &Length) -> Result<Run> {
    let seconds = length.saturation_seconds;
    say(&format!("\nsaturation: {CONNECTIONS} connections for {seconds} s"));
    measured(stage, &closed(stage, seconds)?).await
}

/// Orders at a rate.
pub async fn paced(stage: &Stage<'_>, length: &Length, rate: f64) -> Result<Paced> {
    let seconds = length.paced_seconds;
    say(&format!("\nat a rate: {rate:.0} orders/s for {seconds} s"));
    let arrivals = Arrivals::Open { rate, seconds, connections: PACED_CONNECTIONS };
    let run = measured(stage, &stage.plan(arrivals, Mix::default())?).await?;
    let end = &run.outcome.end;
    Ok(Paced {
        rate,
        p50_ms: end.p50_ms,
        p99_ms: end.p99_ms,
        p999_ms: end.p999_ms,
        drift: drift(run.outcome.steady()),
        run,
    })
}

/// The tail of the last third of some seconds, to that of the first third; of each, the median second counts, since
/// a single pause of a server makes no trend.
fn drift(series: &[Second]) -> f64 {
    let third = series.len() / 3;
    let tail = |seconds: &[Second]| median(seconds.iter().map(|second| second.p99_ms));
    let (first, last) = (tail(&series[..third]), tail(&series[series.len() - third..]));
    if first > 0.0 { last / first } else { 1.0 }
}

/// Orders of every kind.
pub async fn mixed(stage: &Stage<'_>, length: &Length) -> Result<Run> {
    let seconds = length.other_seconds;
    say(&format!("\nevery kind of order: {CONNECTIONS} connections for {seconds} s"));
    let mut plan = closed(stage, seconds)?;
    plan.mix = Mix::OF_ALL_KINDS;
    measured(stage, &plan).await
}

/// Many streams open while orders flow.
pub async fn streams(stage: &Stage<'_>, length: &Length) -> Result<Sse> {
    let (count, seconds) = (length.streams, length.other_seconds);
    say(&format!("\nstreams: {count} of them, {RATE_WITH_STREAMS} orders/s for {seconds} s"));
    let arrivals =
        Arrivals::Open { rate: RATE_WITH_STREAMS, seconds, connections: PACED_CONNECTIONS };
    let mut plan = stage.plan(arrivals, Mix::default())?;
    plan.streams = Some(Streams { count, per_second: STREAMS_PER_SECOND });
    let rss_before_mib = stage.rss_mib("orders");
    let run = measured(stage, &plan).await?;
    let told = run.outcome.streams.clone().unwrap_or_default();
    Ok(Sse {
        streams: told.opened - told.broken,
        peak_rss_mib: run.spent.peak_rss_mib.get("orders").copied().unwrap_or_default(),
        rss_before_mib,
        p50_ms: told.delivery.p50_ms,
        p99_ms: told.delivery.p99_ms,
        missed: told.missed,
        expected: told.expected,
        run,
    })
}

#[cfg(test)]
#[allow(clippy::float_cmp, reason = "these are exact")]
mod tests {
    use super::*;

    #[test]
    fn a_tail_that_grows_drifts_and_a_single_pause_does_not() {
        let series = |tails: [f64; 9]| tails.map(|p99_ms| Second { p99_ms, ..Second::default() });
        let even = series([10.0, 10.0, 10.0, 10.0, 10.0, 10.0, 10.0, 900.0, 10.0]);
        assert_eq!(drift(&even), 1.0);
        let growing = series([10.0, 20.0, 30.0, 40.0, 50.0, 60.0, 70.0, 80.0, 90.0]);
        assert_eq!(drift(&growing), 4.0);
        assert_eq!(drift(&[]), 1.0);
    }
}
