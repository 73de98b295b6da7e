//! Fires the timers that are due, by the database's clock.

use std::sync::Arc;
use std::time::Duration;

use contracts::events::ExpirationCompleted;
use messaging::{Outbox, in_time, reminders};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::store::{self, Fired};

/// How long the clock waits at most before it looks for timers that other replicas have set.
pub const LONGEST_WAIT: Duration = Duration::from_secs(1);

/// How long it waits at least for a timer that is due and that another replica is firing.
const SHORTEST_WAIT: Duration = Duration::from_millis(10);

/// The task that fires timers. Every replica has one; a timer is fired by whichever takes it first.
#[derive(Debug)]
pub struct Clock {
    outbox: Outbox,
    nearer: Arc<Notify>,
}

impl Clock {
    /// A clock for the timers in the outbox's schema.
    pub fn new(outbox: Outbox) -> Self {
        Self { outbox, nearer: Arc::new(Notify::new()) }
    }

    /// Wakes the clock before its time.
    pub fn waker(&self) -> Arc<Notify> {
        Arc::clone(&self.nearer)
    }

    /// Fires what is due, at once what fell due while the service was down, until `shutdown`. While the
    /// database is away it waits.
    pub async fn run(self, shutdown: CancellationToken) -> anyhow::Result<()> {
        while !shutdown.is_cancelled() {
            let wait = match in_time(self.fire_due()).await {
                Ok(wait) => wait,
                Err(error) => {
                    let error = format!("{:#}", anyhow::Error::new(error));
                    tracing::warn!(error, "timers cannot be fired now; trying again");
                    LONGEST_WAIT
                }
            };
            tokio::select! {
                () = shutdown.cancelled() => {}
                () = self.nearer.notified() => {}
                () = tokio::time::sleep(wait) => {}
            }
        }
        Ok(())
    }

    /// Fires what is due now, and tells how long to wait for the next.
    async fn fire_due(&self) -> Result<Duration, Failed> {
        let mut tx = self.outbox.begin().await?;
        let Fired { orders, more } = store::take_due(tx.conn()).await?;
        for (order_id, trace) in &orders {
            let expired = ExpirationCompleted {
                order_id: *order_id,
                expired_at: tx.now(),
                trace_id: trace.trace_id,
            };
            tx.publish(expired, trace)?;
        }
        // Also where none was due: those reminders are done with.
        tx.commit().await?;
        if !orders.is_empty() {
            metrics::counter!("timers_fired_total").increment(orders.len() as u64);
            tracing::info!(timers = orders.len(), "timers fired");
        }
        if more {
            return Ok(Duration::ZERO);
        }
        let next = reminders::until_next(self.outbox.pool()).await?;
        Ok(next.map_or(LONGEST_WAIT, |next| next.clamp(SHORTEST_WAIT, LONGEST_WAIT)))
    }
}

#[derive(Debug, thiserror::Error)]
enum Failed {
    #[error("the database failed")]
    Database(#[from] sqlx::Error),
    #[error("an event cannot be published")]
    Publish(#[from] messaging::PublishError),
}
