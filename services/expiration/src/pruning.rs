//! The task that forgets old orders.

use std::time::Duration;

use sqlx::PgPool;
use tokio_util::sync::CancellationToken;

use crate::store;

const INTERVAL: Duration = Duration::from_hours(1);

/// Prunes the timers now and every hour, until `shutdown`.
pub async fn run(pool: PgPool, shutdown: CancellationToken) -> anyhow::Result<()> {
    let mut interval = tokio::time::interval(INTERVAL);
    while shutdown.run_until_cancelled(interval.tick()).await.is_some() {
        match store::prune(&pool).await {
            Ok(timers) => tracing::debug!(timers, "pruned"),
            Err(error) => tracing::warn!(%error, "cannot prune the timers; trying later"),
        }
    }
    Ok(())
}
