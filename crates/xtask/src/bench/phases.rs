//! The loads that are put on the system, one after the other.

use anyhow::Result;
use bench::{Arrivals, Mix, Plan, Second, Streams};

use super::generator;
use super::length::Length;
use super::meter::{Meter, unsigned};
use super::report::{HotSku, Idle, Paced, Run, Sse};
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
    let arrivals = Arrivals::Closed { connections: CONNECTIONS, seconds, orders: None };
    stage.plan(arrivals, Mix::default())
}

/// Few orders, which are told on streams.
pub async fn idle(stage: &Stage<'_>, length: &Length) -> Result<Idle> {
    say(&format!("\nidle: {IDLE_RATE} orders/s"));
    // What the loads before have left in files would be written to disk beside these orders, whose commits wait for it.
    // No checkpoint: behind it the log has whole pages, which these orders would pay for.
    tokio::task::spawn_blocking(nix::unistd::sync).await?;
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
    let median = |seconds: &[Second]| {
        let mut tails: Vec<f64> = seconds.iter().map(|second| second.p99_ms).collect();
        tails.sort_unstable_by(f64::total_cmp);
        tails.get(tails.len() / 2).copied().unwrap_or_default()
    };
    let (first, last) = (median(&series[..third]), median(&series[series.len() - third..]));
    if first > 0.0 { last / first } else { 1.0 }
}

/// All orders for one product, and how many pieces of it there were: enough for three in four, at the `rate` of the
/// saturation.
pub async fn hot_sku(stage: &Stage<'_>, length: &Length, rate: f64) -> Result<(Run, u32)> {
    let seconds = length.hot_seconds;
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "some number of pieces"
    )]
    let on_hand = (rate * seconds * 0.75) as u32;
    say(&format!(
        "\none product: {on_hand} pieces of it, {CONNECTIONS} connections for {seconds} s"
    ));
    let mut plan = closed(stage, seconds)?;
    plan.skus = vec![stage.stock_of_one(on_hand).await?];
    Ok((measured(stage, &plan).await?, on_hand))
}

/// Compares it with loads on all products before and behind it.
pub fn compared(run: Run, on_hand: u32, [before, after]: [&Run; 2]) -> HotSku {
    let sold_per_second = sold_per_second(&run.outcome.series);
    let ratio = sold_per_second / f64::midpoint(before.steady_per_second, after.steady_per_second);
    let slower = f64::midpoint(run.slower_than(before), run.slower_than(after));
    HotSku {
        ratio,
        ratio_at_one_speed: ratio * slower,
        sold_per_second,
        sold_out: run.outcome.completed == u64::from(on_hand),
        on_hand,
        run,
    }
}

/// How many orders were completed in a second while none was refused, without the second in which it began: behind the
/// last piece come refusals, which are cheaper. 0 where that was no whole second.
fn sold_per_second(series: &[Second]) -> f64 {
    let Some((first, rest)) = series.split_first() else { return 0.0 };
    let sold = rest.iter().take_while(|second| second.completed == second.ended);
    let (completed, at) = sold.fold((0, first.at), |(sum, _), s| (sum + s.completed, s.at));
    if at > first.at { unsigned(completed) / (at - first.at) } else { 0.0 }
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
    use bench::Outcome;

    use super::super::meter::Spent;
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

    #[test]
    fn a_product_is_compared_with_all_at_one_speed() {
        let run = |ended, micros: u64| {
            let cpu_micros = ended * micros;
            let second =
                |at| Second { at, ended, completed: ended, cpu_micros, ..Second::default() };
            let series = [1.0, 2.0, 3.0].map(second).to_vec();
            let outcome = Outcome { series, placed_in_seconds: 3.0, ..Outcome::default() };
            Run::new(outcome, Spent::default())
        };
        let hot = compared(run(8, 60), 5, [&run(10, 40), &run(10, 40)]);
        assert!((hot.ratio - 0.8).abs() < 1e-9 && (hot.ratio_at_one_speed - 1.2).abs() < 1e-9);
    }

    #[test]
    fn seconds_with_refusals_are_none_in_which_there_were_pieces() {
        let series = [(1.0, 100, 100), (2.0, 300, 300), (3.5, 450, 450), (4.5, 900, 300)];
        let second = |(at, ended, completed)| Second { at, ended, completed, ..Second::default() };
        let series = series.map(second);
        assert_eq!(sold_per_second(&series), 750.0 / 2.5);
        assert_eq!(sold_per_second(&series[..1]), 0.0);
        assert_eq!(sold_per_second(&[]), 0.0);
    }
}
