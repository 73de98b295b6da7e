//! What the servers do by themselves for loads that are over, brought to an end before the next one.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use sqlx::{PgConnection, query_scalar, raw_sql};

use super::stage::Stage;
use crate::say;

/// How long Postgres may take to stop a vacuum.
const PATIENCE: Duration = Duration::from_secs(10);
/// Tells those that vacuum to end; how many there were.
const STOP_WORKERS: &str = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
                            WHERE backend_type = 'autovacuum worker'";

impl Stage<'_> {
    /// Has what the loads before have left in files written to disk, which would be written beside the next one, whose
    /// commits wait for it.
    pub async fn sync(&self) -> Result<()> {
        Ok(tokio::task::spawn_blocking(nix::unistd::sync).await?)
    }

    /// Vacuums what the loads before have left, and tells how long that took. Postgres would do it within a minute or
    /// two, beside the next load.
    pub async fn vacuum(&self) -> Result<()> {
        let since = Instant::now();
        raw_sql("VACUUM").execute(&mut self.database().await?).await?;
        say(&format!(
            "what the loads before have left was vacuumed in {:.1} s",
            since.elapsed().as_secs_f64()
        ));
        Ok(())
    }

    /// Does `work` once nothing of the loads before is left to do, and keeps Postgres from vacuuming by itself meanwhile: it
    /// takes a processor for seconds, beside some loads and not beside others. After an error it stays so: that ends the run,
    /// and the stack with it.
    pub async fn at_rest<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        self.settled().await?;
        let mut database = self.database().await?;
        alter(&mut database, "ALTER SYSTEM SET autovacuum = off").await?;
        let end = Instant::now() + PATIENCE;
        while query_scalar::<_, i64>(STOP_WORKERS).fetch_one(&mut database).await? > 0 {
            ensure!(Instant::now() < end, "Postgres vacuums on and on");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        self.sync().await?;
        // Whole pages are logged behind one: as many in each work.
        raw_sql("CHECKPOINT").execute(&mut database).await?;
        let done = work.await?;
        alter(&mut database, "ALTER SYSTEM RESET autovacuum").await?;
        Ok(done)
    }
}

/// Changes a setting of the server. Apart from its reload, since it cannot be in a transaction.
async fn alter(database: &mut PgConnection, setting: &'static str) -> Result<()> {
    raw_sql(setting).execute(&mut *database).await?;
    raw_sql("SELECT pg_reload_conf()").execute(database).await?;
    Ok(())
}
