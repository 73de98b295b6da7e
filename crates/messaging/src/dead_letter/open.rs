//! How many dead letters wait for an operator.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::desk::DeadLetters;

/// Alerts wait for minutes; a count more often tells nobody anything.
const TELL_EVERY: Duration = Duration::from_secs(5);

impl DeadLetters {
    /// Tells how many are open, until `shutdown`. Every replica tells the same.
    pub async fn tell_open(self, shutdown: CancellationToken) {
        loop {
            match self.count_open().await {
                Ok(open) => metrics::gauge!("dead_letters_open").set(open),
                // Whoever works with the database says so louder.
                Err(error) => tracing::debug!(%error, "open dead letters not counted"),
            }
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = tokio::time::sleep(TELL_EVERY) => {}
            }
        }
    }

    async fn count_open(&self) -> sqlx::Result<f64> {
        sqlx::query_scalar(
            "SELECT count(*)::float8 FROM dead_letters
             WHERE redriven_at IS NULL AND discarded_at IS NULL",
        )
        .fetch_one(self.outbox.pool())
        .await
    }
}
