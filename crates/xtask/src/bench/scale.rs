//! What more replicas and more partitions cost on one machine, where they bring nothing.

use anyhow::{Context, Result};
use bench::{Outcome, Plan};
use test_support::stack::{SERVICES, free_port};

use super::length::Length;
use super::phases::{closed, measured};
use super::report::Scale;
use super::stage::{Shape, Stage};
use crate::say;

/// Customers and products: enough that nobody waits for another's rows.
const CUSTOMERS: usize = 64;
const SKUS: usize = 100;
/// Seconds of load before each measurement.
const WARM_UP: f64 = 2.0;

/// A stack of few customers with so many partitions of each topic.
pub fn shape(partitions: i32) -> Shape {
    Shape { customers: CUSTOMERS, skus: SKUS, partitions }
}

/// Measures with each of some numbers of replicas, the smallest first; beside each, all loads that were put on it.
pub async fn measure(
    stage: &Stage<'_>,
    length: &Length,
    partitions: i32,
    counts: &[usize],
) -> Result<Vec<(Scale, [Outcome; 2])>> {
    let mut addresses = vec![stage.address("orders")?];
    let mut measurements = Vec::new();
    for &replicas in counts {
        for number in addresses.len() + 1..=replicas {
            for service in SERVICES {
                let port = free_port()?;
                let started = stage.stack.services.start(service, number, port).await;
                started.with_context(|| format!("replica {number} of {service}"))?;
                if service == "orders" {
                    addresses.push(([127, 0, 0, 1], port).into());
                }
            }
        }
        say(&format!(
            "\n{replicas} replicas of each service, {partitions} partitions of each topic"
        ));
        // What is compiled and cached, and who reads which partition, is settled before.
        let load =
            |seconds| anyhow::Ok(Plan { orders: addresses.clone(), ..closed(stage, seconds)? });
        let warm_up = measured(stage, &load(WARM_UP)?).await?.outcome;
        let run = measured(stage, &load(length.scale_seconds)?).await?;
        let scale = Scale {
            replicas,
            partitions,
            cpu_micros_per_order: run.spent.cpu_micros(),
            completed_per_second: run.outcome.completed_per_second,
            p99_ms: run.outcome.end.p99_ms,
        };
        measurements.push((scale, [warm_up, run.outcome]));
    }
    Ok(measurements)
}
