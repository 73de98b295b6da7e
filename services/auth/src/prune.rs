//! Deletes what has expired, a piece at a time, so that no statement is long.

use std::time::Duration;

use sqlx::PgPool;
use tokio_util::sync::CancellationToken;

use crate::store::expired::{Expired, PIECE};

const INTERVAL: Duration = Duration::from_mins(5);

/// Prunes now and again until `shutdown`. A failure is waited out.
pub async fn keep_pruned(pool: PgPool, shutdown: CancellationToken) -> anyhow::Result<()> {
    let mut interval = tokio::time::interval(INTERVAL);
    while shutdown.run_until_cancelled(interval.tick()).await.is_some() {
        if let Some(Err(error)) = shutdown.run_until_cancelled(prune(&pool)).await {
            tracing::warn!(%error, "cannot delete what has expired; trying again later");
        }
    }
    Ok(())
}

/// Deletes everything that has expired.
pub async fn prune(pool: &PgPool) -> sqlx::Result<()> {
    for expired in Expired::ALL {
        loop {
            let mut connection = pool.acquire().await?;
            if expired.delete_some(&mut connection).await? < u64::from(PIECE) {
                break;
            }
        }
    }
    Ok(())
}
