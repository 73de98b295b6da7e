//! Figures for Prometheus, recorded anywhere through the `metrics` macros.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use metrics_process::Collector;
use sqlx::PgPool;
use tokio_util::sync::CancellationToken;

const UPKEEP_INTERVAL: Duration = Duration::from_secs(5);

// From what an idle service needs to the request time-out.
const SECONDS: &[f64] =
    &[0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

// An order may wait for its payment until it expires.
const SAGA_SECONDS: &[f64] = &[
    0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 900.0,
    1800.0,
];

static INSTALLED: Mutex<Option<Metrics>> = Mutex::new(None);

/// The figures of this process. Cheap to clone.
#[derive(Clone)]
pub struct Metrics(PrometheusHandle);

impl Metrics {
    /// The recorder of the process, installed at the first call. Histograms whose name ends in
    /// `_seconds` get buckets up to ten seconds.
    pub fn install() -> anyhow::Result<Self> {
        let mut installed = INSTALLED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(metrics) = &*installed {
            return Ok(metrics.clone());
        }
        let handle = PrometheusBuilder::new()
            .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), SECONDS)?
            .set_buckets_for_metric(
                Matcher::Full("saga_duration_seconds".to_owned()),
                SAGA_SECONDS,
            )?
            .install_recorder()?;
        Ok(installed.insert(Self(handle)).clone())
    }

    /// All figures in Prometheus' text format.
    pub fn render(&self) -> String {
        self.0.render()
    }

    /// Keeps the memory of the histograms bounded while nobody asks for them, and tells how the process and its
    /// connections to the database are.
    pub(crate) async fn upkeep(
        self,
        pool: PgPool,
        shutdown: CancellationToken,
    ) -> anyhow::Result<()> {
        let process = Collector::default();
        process.describe();
        let mut interval = tokio::time::interval(UPKEEP_INTERVAL);
        while shutdown.run_until_cancelled(interval.tick()).await.is_some() {
            self.0.run_upkeep();
            process.collect();
            tell_connections(&pool);
        }
        Ok(())
    }
}

fn tell_connections(pool: &PgPool) {
    let idle = u32::try_from(pool.num_idle()).unwrap_or(u32::MAX);
    let busy = pool.size().saturating_sub(idle);
    metrics::gauge!("database_connections", "state" => "idle").set(idle);
    metrics::gauge!("database_connections", "state" => "busy").set(busy);
    metrics::gauge!("database_connections_max").set(pool.options().get_max_connections());
}
