//! What was measured, as it is written to `report.json`.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result};
use bench::{Floor, Outcome};
use serde::Serialize;

use super::meter::Spent;

/// Everything. What was not measured is left out.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// Whether it was a short run.
    pub quick: bool,
    pub machine: Machine,
    /// How long it all took, builds left out.
    pub seconds: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idle: Option<Idle>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub saturation: Option<Run>,
    /// At half of what the saturation came to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub load50: Option<Paced>,
    /// At four fifths of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub load80: Option<Paced>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hot_sku: Option<HotSku>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mixed: Option<Run>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sse: Option<Sse>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ceiling: Option<Ceiling>,
    /// Of the saturation, to the ceiling, as measured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ratio_to_ceiling: Option<f64>,
    /// The same, had the machine been as fast before and after the ceiling was measured as during the saturation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ratio_to_ceiling_at_one_speed: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub growth: Option<Growth>,
    /// With several replicas and partitions.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub scale: Vec<Scale>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recovery: Option<Recovery>,
    /// Of the saturation.
    pub cpu_micros_per_order: BTreeMap<String, f64>,
    /// Of the saturation.
    #[serde(rename = "peakRssMiB")]
    pub peak_rss_mib: BTreeMap<String, f64>,
    /// Accepted orders whose end was never seen, in all phases.
    pub lost: u64,
    /// What the audits found, and requests that came to nothing.
    pub broken: Vec<String>,
    /// After what the databases, or the events, were audited.
    pub audited: Vec<String>,
}

/// Where it was measured.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Machine {
    pub cores: usize,
    pub processor: String,
    #[serde(rename = "memoryGiB")]
    pub memory_gib: f64,
    pub kernel: String,
}

/// Few orders, of which nobody waits for another.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Idle {
    /// From the request until the customer's stream tells that the order is completed.
    pub p50_ms: f64,
    pub p99_ms: f64,
    pub p999_ms: f64,
    /// From the request to the answer.
    pub accept_p50_ms: f64,
    pub accept_p99_ms: f64,
    #[serde(flatten)]
    pub run: Run,
}

/// A load, and what it cost.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Run {
    /// Orders that ended, in whichever way, in each second.
    pub ends_per_second: f64,
    /// The same of the seconds in which orders were placed, the first left out: what ratios of loads are made of.
    pub steady_per_second: f64,
    #[serde(flatten)]
    pub outcome: Outcome,
    pub spent: Spent,
}

/// A load at a rate that the system can bear.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Paced {
    /// Orders a second.
    pub rate: f64,
    /// From the moment an order was due to its end.
    pub p50_ms: f64,
    pub p99_ms: f64,
    pub p999_ms: f64,
    /// The 99 % of the last third of the seconds, to that of the first third: near 1 where it is stable.
    pub drift: f64,
    #[serde(flatten)]
    pub run: Run,
}

/// All orders for one product, of which there is not enough.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct HotSku {
    /// Of the orders that were completed in a second while there were pieces, to those of short saturations before and
    /// behind it, all without the first second; as measured.
    pub ratio: f64,
    /// The same, had the machine been as fast as during those.
    pub ratio_at_one_speed: f64,
    /// Those orders.
    pub sold_per_second: f64,
    /// Whether the last piece was sold.
    pub sold_out: bool,
    /// Pieces there were.
    pub on_hand: u32,
    #[serde(flatten)]
    pub run: Run,
}

/// Many streams open while orders flow.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Sse {
    /// That were open.
    pub streams: usize,
    /// Of the orders service.
    #[serde(rename = "peakRssMiB")]
    pub peak_rss_mib: f64,
    /// Of it, what it had before they were opened.
    #[serde(rename = "rssBeforeMiB")]
    pub rss_before_mib: f64,
    /// From the moment a change was recorded until it was told.
    pub p50_ms: f64,
    pub p99_ms: f64,
    /// Ends of orders that were not told, of so many.
    pub missed: u64,
    pub expected: u64,
    #[serde(flatten)]
    pub run: Run,
}

/// What the parts of an order cost by themselves, in microseconds of processor time.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Ceiling {
    /// As many as the processors could do if an order cost no more than its parts.
    pub orders_per_second: f64,
    /// Of all parts together.
    pub floor_micros_per_order: f64,
    pub sql: Part,
    pub kafka: Part,
    pub http: Part,
    /// Orders in a transaction that places them, and in each further one, as in the saturation.
    pub place_batch: usize,
    pub step_batch: usize,
    /// Records handed over at once, likewise.
    pub records_batch: usize,
}

/// One part.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Part {
    pub client_micros_per_order: f64,
    pub server_micros_per_order: f64,
    pub measured: Floor,
}

impl Part {
    /// Of both sides.
    pub fn micros(&self) -> f64 {
        self.client_micros_per_order + self.server_micros_per_order
    }
}

/// The saturation again, with many orders from before.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Growth {
    /// Finished orders in the database when it began.
    pub orders_before: i64,
    /// Of its steady rate, to that of the saturation, as measured.
    pub ratio: f64,
    /// The same, had the machine been as fast as during the saturation.
    pub ratio_at_one_speed: f64,
    #[serde(flatten)]
    pub run: Run,
}

/// The saturation, shortly, with so many replicas of each service and partitions of each topic.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Scale {
    pub replicas: usize,
    pub partitions: i32,
    pub cpu_micros_per_order: f64,
    pub completed_per_second: f64,
    pub p99_ms: f64,
}

/// Orders goes on after it was held.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Recovery {
    /// Records that waited when it went on.
    pub backlog_records: i64,
    /// Orders that were placed meanwhile, in each second.
    pub rate: f64,
    /// Until it had caught up.
    pub seconds: f64,
    /// Of those that waited and those that came meanwhile.
    pub records_per_second: f64,
    /// Orders that were placed while it was held.
    pub held: Box<Outcome>,
    #[serde(flatten)]
    pub run: Run,
}

impl Run {
    /// Of an outcome and what it cost.
    pub fn new(outcome: Outcome, spent: Spent) -> Self {
        #[allow(clippy::cast_precision_loss, reason = "far below 2^52 orders")]
        let ended = outcome.ended() as f64;
        let seconds = outcome.ended_in_seconds;
        let ends_per_second = if seconds > 0.0 { ended / seconds } else { 0.0 };
        Self { ends_per_second, steady_per_second: outcome.steady_per_second(), outcome, spent }
    }

    /// How much slower the machine was than during `other`: by the load generator's processor time for an order, which
    /// does the same for each in a closed loop. 1 where one of them was too short to tell.
    pub fn slower_than(&self, other: &Self) -> f64 {
        let [own, other] = [self, other].map(|run| run.outcome.steady_micros_per_order());
        if own > 0.0 && other > 0.0 { own / other } else { 1.0 }
    }
}

impl Report {
    /// Writes it.
    pub fn write(&self, folder: &Path) -> Result<()> {
        std::fs::create_dir_all(folder)?;
        let path = folder.join("report.json");
        let text = serde_json::to_string_pretty(self)? + "\n";
        std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))
    }
}

/// This machine.
pub fn machine() -> Machine {
    let read = |path| std::fs::read_to_string(path).unwrap_or_default();
    let field = |text: &str, name: &str| {
        let value = text.lines().find_map(|line| line.strip_prefix(name));
        value.map(|value| value.trim_start_matches([':', ' ', '\t']).to_owned()).unwrap_or_default()
    };
    let memory = field(&read("/proc/meminfo"), "MemTotal");
    let kib: f64 = memory.split(' ').next().and_then(|kib| kib.parse().ok()).unwrap_or_default();
    Machine {
        cores: std::thread::available_parallelism().map_or(1, usize::from),
        processor: field(&read("/proc/cpuinfo"), "model name"),
        memory_gib: kib / 1024.0 / 1024.0,
        kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
    }
}

#[cfg(test)]
mod tests;
