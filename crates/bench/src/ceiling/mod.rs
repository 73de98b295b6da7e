//! What an order costs at the least: nothing but the SQL of its saga, nothing but its records in Kafka, nothing
//! but its request. Each is measured by itself, on the same servers and in batches of the same size as the system
//! has them. No system of this design can be cheaper than the three together.

pub mod http;
pub mod kafka;
pub mod server;
pub mod sql;

use std::time::Instant;

use anyhow::Result;

use crate::outcome::{Floor, Said};
use crate::progress::say;
use crate::system;

/// Does what is to be measured on so many orders as it returns, and says when that begins and when it is over.
async fn measured(work: impl Future<Output = Result<u64>>) -> Result<Floor> {
    say(&Said::Begun)?;
    let (before, begun) = (system::used()?.cpu, Instant::now());
    let orders = work.await?;
    let seconds = begun.elapsed().as_secs_f64();
    let cpu = system::used()?.cpu.saturating_sub(before);
    say(&Said::Done)?;
    Ok(Floor { orders, seconds, cpu_micros: u64::try_from(cpu.as_micros())?, child_cpu_micros: 0 })
}
