//! How soon the saga has caught up after it stood still while orders went on arriving.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use bench::{Arrivals, Mix};
use contracts::topic::Topic;
use sqlx::{AssertSqlSafe, Connection};
use test_support::kafka::{committed, ends};
use tokio::time::sleep;

use super::generator;
use super::length::Length;
use super::meter::Meter;
use super::phases::{CONNECTIONS, closed_up_to};
use super::report::{Recovery, Run};
use super::stage::Stage;
use crate::say;

/// What the consumer of orders writes to in each transaction, and the intake does not.
const HELD: &str = "orders.inbox";
/// Records of an order that wait for orders while it is held; the capture comes only once it is completed.
const HELD_PER_ORDER: u64 = 2;
/// Those of an order from its beginning to its end.
const RECORDS_PER_ORDER: f64 = 3.0;
/// Of the saturation's rate, what arrives while it catches up.
const MODERATE: f64 = 0.25;
/// How long after a record was processed its offset may be committed, in seconds.
const COMMITTED_AFTER: f64 = 2.5;
const LOOK: Duration = Duration::from_millis(250);
const PATIENCE: Duration = Duration::from_mins(4);

/// Holds the consumer of orders until so many records wait for it, and lets it go; `rate` is that of the saturation.
pub async fn measure(stage: &Stage<'_>, length: &Length, saturation: f64) -> Result<Recovery> {
    let backlog = length.backlog;
    say(&format!("\nrecovery: orders hears of nothing until {backlog} records wait"));
    let before = Meter::now(stage).await?;
    let mut holder = stage.database().await?;
    let lock = AssertSqlSafe(format!("BEGIN; LOCK TABLE {HELD} IN EXCLUSIVE MODE"));
    sqlx::raw_sql(lock).execute(&mut holder).await?;

    let orders = u64::try_from(backlog)? / HELD_PER_ORDER;
    let plan = closed_up_to(stage, orders, PATIENCE.as_secs_f64())?;
    let placing = async { generator::run(&stage.generator, &plan).await };
    let recovering = async {
        until(stage, |waiting| waiting >= backlog * 99 / 100).await.context("records to wait")?;
        let (backlog_records, read_before) = (waiting(stage).await?, read(stage).await?);
        let rate = saturation * MODERATE;
        say(&format!("{backlog_records} records wait; it goes on, with {rate:.0} more orders/s"));
        #[allow(clippy::cast_precision_loss, reason = "some number of orders")]
        let seconds = (orders as f64 / (saturation - rate)).clamp(5.0, 100.0);
        let arrivals = Arrivals::Open { rate, seconds, connections: 4 * CONNECTIONS };
        let more = stage.plan(arrivals, Mix::default())?;
        sqlx::raw_sql("ROLLBACK").execute(&mut holder).await?;
        let released = Instant::now();
        let caught_up = async {
            let lately = committed_late(rate);
            until(stage, |waiting| waiting <= lately).await.context("orders to catch up")?;
            anyhow::Ok((released.elapsed().as_secs_f64(), read(stage).await?))
        };
        let arriving = generator::run(&stage.generator, &more);
        let ((seconds, read_by_then), arriving) = tokio::try_join!(caught_up, arriving)?;
        #[allow(clippy::cast_precision_loss, reason = "some number of records")]
        let records_per_second = (read_by_then - read_before) as f64 / seconds;
        holder.close().await?;
        Ok((backlog_records, rate, seconds, records_per_second, arriving))
    };
    let (held, recovered) = tokio::try_join!(placing, recovering)?;
    let (backlog_records, rate, seconds, records_per_second, arriving) = recovered;
    // Both have ended by now: what was spent since the first was placed was spent on the orders of both.
    let mut together = arriving.clone();
    together.completed += held.completed;
    together.cpu_micros += held.cpu_micros;
    let spent = Meter::now(stage).await?.since(&before, &together);
    say(&format!("it has caught up in {seconds:.1} s"));
    Ok(Recovery {
        backlog_records,
        rate,
        seconds,
        records_per_second,
        held: Box::new(held),
        run: Run::new(arriving, spent),
    })
}

/// Records that seem to wait although it has caught up, while orders arrive at a rate.
#[allow(clippy::cast_possible_truncation, reason = "some number of records")]
fn committed_late(rate: f64) -> i64 {
    (rate * RECORDS_PER_ORDER * COMMITTED_AFTER) as i64
}

/// Records that orders has heard of.
async fn read(stage: &Stage<'_>) -> Result<i64> {
    Ok(read_up_to(stage).await?.values().sum())
}

async fn read_up_to(stage: &Stage<'_>) -> Result<BTreeMap<(String, i32), i64>> {
    committed(&stage.stack.description.kafka_brokers, "orders", &topics()).await
}

fn topics() -> Vec<&'static str> {
    Topic::ALL.iter().map(|topic| topic.name()).collect()
}

/// Records that it has not heard of.
async fn waiting(stage: &Stage<'_>) -> Result<i64> {
    let read = read_up_to(stage).await?;
    let ends = ends(&stage.stack.description.kafka_brokers, &topics()).await?;
    Ok(read.iter().filter_map(|(partition, at)| Some(ends.get(partition)? - at)).sum())
}

async fn until(stage: &Stage<'_>, holds: impl Fn(i64) -> bool) -> Result<()> {
    let since = Instant::now();
    loop {
        let waiting = waiting(stage).await?;
        if holds(waiting) {
            return Ok(());
        }
        ensure!(since.elapsed() < PATIENCE, "waited in vain: {waiting} records wait");
        sleep(LOOK).await;
    }
}
