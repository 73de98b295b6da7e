//! What orders cost.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Result;
use bench::Outcome;
use contracts::topic::Topic;
use serde::Serialize;
use test_support::kafka::ends;
use test_support::stack::ProcessCost;

use super::batches::Batches;
use super::stage::{Stage, parts_of};
use crate::database::DATABASE;
use crate::{parts, say};

/// The name under which the load generator is listed.
const GENERATOR: &str = "generator";

/// Everything that is counted, up to a moment.
#[derive(Debug)]
pub struct Meter {
    processes: BTreeMap<String, ProcessCost>,
    commits: f64,
    wal_bytes: f64,
    flushes: f64,
    records: BTreeMap<String, i64>,
    kafka_bytes: f64,
    batches: Batches,
}

/// What was spent between two moments, on each order that ended.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Spent {
    /// Orders that it was spent on.
    pub orders: u64,
    /// Processor time of each process, in microseconds.
    pub cpu_micros_per_order: BTreeMap<String, f64>,
    /// The most memory that each process had, in MiB.
    #[serde(rename = "peakRssMiB")]
    pub peak_rss_mib: BTreeMap<String, f64>,
    /// Transactions of Postgres, readers included.
    pub commits_per_order: f64,
    /// How often the log was written out.
    pub flushes_per_order: f64,
    /// Of the log.
    pub wal_bytes_per_order: f64,
    /// In all topics.
    pub records_per_order: f64,
    /// In each.
    pub records_by_topic: BTreeMap<String, f64>,
    /// As the broker keeps them, compressed.
    pub kafka_bytes_per_order: f64,
    /// Mean sizes, by kind and service.
    pub batches: BTreeMap<String, BTreeMap<String, f64>>,
}

impl Meter {
    /// Of a stage.
    pub async fn now(stage: &Stage<'_>) -> Result<Self> {
        let mut database = stage.database().await?;
        let (commits, wal_bytes, flushes): (f64, f64, f64) = sqlx::query_as(
            "SELECT (SELECT xact_commit::float8 FROM pg_stat_database WHERE datname = $1),
                    pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::float8,
                    (SELECT coalesce(sum(fsyncs), 0)::float8 FROM pg_stat_io WHERE object = 'wal')",
        )
        .bind(DATABASE)
        .fetch_one(&mut database)
        .await?;
        let topics: Vec<&str> = Topic::ALL.iter().map(|topic| topic.name()).collect();
        let mut records = BTreeMap::new();
        for ((topic, _), end) in ends(&stage.stack.description.kafka_brokers, &topics).await? {
            *records.entry(topic).or_default() += end;
        }
        let folders = &stage.stack.folders;
        let process = |name: String| Some((name.clone(), parts::process(folders, &name)?.cost()));
        Ok(Self {
            processes: parts_of().filter_map(process).collect(),
            commits,
            wal_bytes,
            flushes,
            records,
            kafka_bytes: float(i64::try_from(log_bytes(&folders.kafka(1).join("data")))?),
            batches: Batches::now(&stage.stack.description.urls()).await?,
        })
    }

    /// What was spent since `earlier` on the orders of an outcome, the generator's share included.
    pub fn since(&self, earlier: &Self, outcome: &Outcome) -> Spent {
        let orders = outcome.ended();
        let each = |spent: f64| spent / float(i64::try_from(orders).unwrap_or(i64::MAX)).max(1.0);
        let mut spent = Spent {
            orders,
            commits_per_order: each(self.commits - earlier.commits),
            flushes_per_order: each(self.flushes - earlier.flushes),
            wal_bytes_per_order: each(self.wal_bytes - earlier.wal_bytes),
            kafka_bytes_per_order: each(self.kafka_bytes - earlier.kafka_bytes),
            batches: self.batches.since(&earlier.batches),
            ..Spent::default()
        };
        for (topic, now) in &self.records {
            let before = earlier.records.get(topic).copied().unwrap_or_default();
            let records = each(float(now - before));
            spent.records_per_order += records;
            spent.records_by_topic.insert(topic.clone(), records);
        }
        for (name, now) in &self.processes {
            let before = earlier.processes.get(name).map_or(0, |before| before.cpu_micros);
            spent.add(name, each(unsigned(now.cpu_micros.saturating_sub(before))), now.peak_kib);
        }
        spent.add(GENERATOR, each(unsigned(outcome.cpu_micros)), outcome.peak_rss_kib);
        spent
    }
}

impl Spent {
    fn add(&mut self, name: &str, cpu_micros: f64, peak_kib: u64) {
        self.cpu_micros_per_order.insert(name.to_owned(), cpu_micros);
        self.peak_rss_mib.insert(name.to_owned(), unsigned(peak_kib) / 1024.0);
    }

    /// The mean size of a kind of batches over some services.
    pub fn batch(&self, kind: &str, services: &[&str]) -> f64 {
        let sizes = self.batches.get(kind);
        let sizes = services.iter().filter_map(|service| sizes?.get(*service).copied());
        let (sum, count) = sizes.fold((0.0, 0.0), |(sum, count), size| (sum + size, count + 1.0));
        if count > 0.0 { sum / count } else { 1.0 }
    }

    /// Of all processes, in microseconds an order.
    pub fn cpu_micros(&self) -> f64 {
        self.cpu_micros_per_order.values().sum()
    }

    /// Prints it.
    pub fn tell(&self) {
        for (name, cpu) in &self.cpu_micros_per_order {
            let peak = self.peak_rss_mib.get(name).copied().unwrap_or_default();
            say(&format!("  {name:<13} {cpu:>6.0} µs an order, peak {peak:>5.0} MiB"));
        }
        say(&format!("  together      {:>6.0} µs an order", self.cpu_micros()));
        say(&format!(
            "  an order: {:.2} transactions, {:.2} flushes and {:.0} bytes of Postgres's log; {:.2} records of \
             Kafka in {:.0} bytes",
            self.commits_per_order,
            self.flushes_per_order,
            self.wal_bytes_per_order,
            self.records_per_order,
            self.kafka_bytes_per_order,
        ));
        for (kind, means) in &self.batches {
            let means = means.iter().map(|(service, mean)| format!("{service} {mean:.1}"));
            say(&format!("  {kind} batches: {}", means.collect::<Vec<_>>().join(", ")));
        }
    }
}

/// Bytes of all records below a folder of a broker's data, but for its own topics and those of the ceiling, which it
/// removes when it finds the time.
fn log_bytes(data: &Path) -> u64 {
    let partitions = data.read_dir().into_iter().flatten().flatten();
    let others = |name: &str| name.starts_with("__") || name.starts_with("ceiling.");
    let ours = partitions.filter(|entry| !others(&entry.file_name().to_string_lossy()));
    let files = ours.filter_map(|entry| entry.path().read_dir().ok()).flatten().flatten();
    let logs = files.filter(|file| file.path().extension().is_some_and(|ending| ending == "log"));
    logs.filter_map(|file| Some(file.metadata().ok()?.len())).sum()
}

#[allow(clippy::cast_precision_loss, reason = "figures for people")]
fn float(of: i64) -> f64 {
    of as f64
}

#[allow(clippy::cast_precision_loss, reason = "figures for people")]
pub fn unsigned(of: u64) -> f64 {
    of as f64
}
