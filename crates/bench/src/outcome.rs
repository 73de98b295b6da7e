//! What came of the load.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// A line that the process prints: once a second how it goes, and at last the outcome.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Said {
    /// How it goes.
    Progress(Progress),
    /// What came of it.
    Outcome(Box<Outcome>),
    /// What is measured begins now; whatever a server did before was not for it.
    Begun,
    /// It is over.
    Done,
    /// What a part of an order costs by itself.
    Floor(Floor),
}

/// What a part of an order costs by itself.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Floor {
    /// Orders that it was measured on.
    pub orders: u64,
    /// How long that took.
    pub seconds: f64,
    /// Processor time of this process.
    pub cpu_micros: u64,
    /// Processor time of a server that it started.
    pub child_cpu_micros: u64,
}

/// How it goes.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Progress {
    /// Since the first request.
    pub seconds: f64,
    /// Requests for an order.
    pub sent: u64,
    /// Those answered with 202.
    pub accepted: u64,
    /// Orders whose end was seen.
    pub ended: u64,
    /// Accepted orders that are open.
    pub open: u64,
    /// Streams that are open.
    pub streams: usize,
}

/// All that was seen.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Outcome {
    /// Requests for an order.
    pub sent: u64,
    /// Those answered with 202.
    pub accepted: u64,
    /// Orders that were completed.
    pub completed: u64,
    /// Orders that failed, by reason.
    pub failed: BTreeMap<String, u64>,
    /// Orders that were cancelled, by reason.
    pub cancelled: BTreeMap<String, u64>,
    /// Requests for an order that were answered otherwise, by status.
    pub refused: BTreeMap<u16, u64>,
    /// Requests that were not answered, and answers without sense.
    pub errors: u64,
    /// The first of these.
    pub first_error: Option<String>,
    /// Accepted orders whose end was not seen.
    pub lost: u64,
    /// Some of them.
    pub lost_examples: Vec<String>,
    /// Ends that were told again.
    pub repeats: u64,
    /// Ends of orders whose request was not answered with 202, or that others have placed.
    pub strangers: u64,
    /// From the first request to the last answer.
    pub placed_in_seconds: f64,
    /// From the first request to the last end.
    pub ended_in_seconds: f64,
    /// Completed orders in each second of `ended_in_seconds`.
    pub completed_per_second: f64,
    /// Accepted orders that were open when the last request was sent.
    pub backlog_at_end: u64,
    /// Connections to orders that were open at once, at the most.
    pub connections: usize,
    /// From the moment an order was to be placed to the answer that it is accepted.
    pub accept: Latency,
    /// From the moment an order was to be placed until its end was read from the topic.
    pub end: Latency,
    /// What the streams told.
    #[serde(rename = "told")]
    pub streams: Option<StreamsOutcome>,
    /// Each second of it.
    pub series: Vec<Second>,
    /// Processor time of this process, from the first request until all had ended.
    pub cpu_micros: u64,
    /// The most memory that it had resident.
    pub peak_rss_kib: u64,
}

impl Outcome {
    /// Orders whose end was seen.
    pub fn ended(&self) -> u64 {
        let others = self.failed.values().chain(self.cancelled.values());
        self.completed + others.sum::<u64>()
    }

    /// Requests for an order that were answered, but not with 202.
    pub fn refusals(&self) -> u64 {
        self.refused.values().sum()
    }

    /// The seconds in which orders were placed, without the one in which it began: neither filling up nor running
    /// empty is in them.
    pub fn steady(&self) -> &[Second] {
        let placed = self.series.partition_point(|second| second.at <= self.placed_in_seconds);
        self.series.get(1..placed).unwrap_or_default()
    }
}

/// What the streams of changes told.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StreamsOutcome {
    /// That were opened.
    pub opened: usize,
    /// That were not opened, or ended before they were closed.
    pub broken: usize,
    /// Changes that were told.
    pub changes: u64,
    /// Ends of orders that were to be told: of each order on each of its customer's streams.
    pub expected: u64,
    /// Those that were not.
    pub missed: u64,
    /// From the moment the service has recorded a change until it was told.
    pub delivery: Latency,
    /// From the moment an order was to be placed until its end was told, on the first of its customer's streams.
    pub end: Latency,
}

/// How long something took, many times.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Latency {
    /// How often it was measured.
    pub count: u64,
    /// The mean, in milliseconds.
    pub mean_ms: f64,
    /// Half of them took no longer.
    pub p50_ms: f64,
    /// 90 % took no longer.
    pub p90_ms: f64,
    /// 99 % took no longer.
    pub p99_ms: f64,
    /// 99.9 % took no longer.
    pub p999_ms: f64,
    /// The longest.
    pub max_ms: f64,
    /// For a plot: of so many in a hundred, none took longer than so many milliseconds.
    pub distribution: Vec<(f64, f64)>,
}

/// What happened in one second.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Second {
    /// Its end, since the first request.
    pub at: f64,
    /// Orders that were accepted.
    pub accepted: u64,
    /// Orders that ended.
    pub ended: u64,
    /// Of those that ended, from the moment they were to be placed.
    pub p50_ms: f64,
    /// Likewise.
    pub p99_ms: f64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_in_which_it_begins_and_those_in_which_it_runs_empty_are_not_steady() {
        let series = [(1.0, 50), (2.0, 100), (3.5, 200), (4.5, 10)];
        let second = |(at, ended)| Second { at, ended, ..Second::default() };
        let series = series.map(second).to_vec();
        let outcome = Outcome { series, placed_in_seconds: 4.0, ..Outcome::default() };
        assert_eq!(outcome.steady(), &outcome.series[1..3]);
        let short = Outcome { placed_in_seconds: 0.5, ..outcome };
        assert_eq!(short.steady(), []);
    }
}
