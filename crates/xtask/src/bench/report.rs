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
    /// Of the laps around each ceiling, to it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ratio_to_ceiling: Option<f64>,
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
    /// Of the orders that were completed in a second, to those of laps on all products before and behind, at one speed
    /// of the machine; the median of the rounds.
    pub ratio: f64,
    pub rounds: Vec<f64>,
    /// Those orders, likewise.
    pub sold_per_second: f64,
    /// Whether the last piece was sold in each round.
    pub sold_out: bool,
    /// Pieces there were in each.
    pub on_hand: u64,
    /// The last round.
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
    pub batches: BatchSizes,
}

/// How much is done at once.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BatchSizes {
    /// Orders in a transaction that places them, and in each further one, as in the saturation.
    pub place: usize,
    pub step: usize,
    /// Records handed over at once, likewise.
    pub records: usize,
}

impl Ceiling {
    /// Of the parts, each in batches of these sizes.
    pub fn new([sql, kafka, http]: [Part; 3], batches: BatchSizes) -> Self {
        let floor = sql.micros() + kafka.micros() + http.micros();
        #[allow(clippy::cast_precision_loss, reason = "a few processors")]
        let orders_per_second = machine().cores as f64 * 1e6 / floor;
        Self { orders_per_second, floor_micros_per_order: floor, sql, kafka, http, batches }
    }

    /// Of several rounds, of each part the median.
    pub fn of_rounds(rounds: &[Self]) -> Option<Self> {
        let part = |of: fn(&Self) -> Part| Part::of_rounds(rounds.iter().map(of).collect());
        let parts = [part(|c| c.sql)?, part(|c| c.kafka)?, part(|c| c.http)?];
        Some(Self::new(parts, rounds.first()?.batches))
    }
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
    /// The one with the median cost, or the dearer one of the two in the middle.
    fn of_rounds(mut rounds: Vec<Self>) -> Option<Self> {
        rounds.sort_unstable_by(|a, b| a.micros().total_cmp(&b.micros()));
        rounds.get(rounds.len() / 2).copied()
    }

    /// Of both sides.
    pub fn micros(&self) -> f64 {
        self.client_micros_per_order + self.server_micros_per_order
    }
}

/// Laps with many orders from before.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Growth {
    /// Finished orders in the database when it began.
    pub orders_before: i64,
    /// Of the orders that the median lap completed in a second, to those before there were so many; at one speed of the
    /// machine.
    pub ratio: f64,
    /// Those orders.
    pub per_second: f64,
    pub per_second_before: f64,
    /// The last of the laps.
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
        Self { ends_per_second, outcome, spent }
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
