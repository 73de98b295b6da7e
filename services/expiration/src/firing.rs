//! The task that fires timers.

use std::sync::Arc;
use std::time::Duration;

use contracts::events::ExpirationCompleted;
use contracts::ids::OrderId;
use contracts::trace::TraceContext;
use messaging::{Outbox, new_trace};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::store;

/// The longest time between two looks at the timers; other replicas may have set nearer ones.
pub const POLL: Duration = Duration::from_secs(1);

/// The shortest, for timers that are due and in the hands of another replica.
const SHORTEST: Duration = Duration::from_millis(10);

const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Fires timers that are due, by the database's clock. Replicas share the work: each takes what no
/// other one has in hand, and ends it in the transaction that publishes.
pub struct Firing {
    /// Where the events go.
    pub outbox: Outbox,
    /// Notified when a timer was set that is due before the next look.
    pub sooner: Arc<Notify>,
}

impl Firing {
    /// Fires until `shutdown`. A database that is away is waited for.
    pub async fn run(self, shutdown: CancellationToken) -> anyhow::Result<()> {
        let mut pause = FIRST_PAUSE;
        loop {
            let wait = match self.fire().await {
                Ok(wait) => {
                    pause = FIRST_PAUSE;
                    wait
                }
                Err(error) => {
                    let error = format!("{error:#}");
                    tracing::warn!(error, ?pause, "cannot fire timers; trying again");
                    let wait = pause;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                    wait
                }
            };
            tokio::select! {
                biased;
                () = shutdown.cancelled() => return Ok(()),
                () = self.sooner.notified() => {}
                () = tokio::time::sleep(wait) => {}
            }
        }
    }

    /// Fires a batch of what is due, and returns how long to wait for the next.
    async fn fire(&self) -> anyhow::Result<Duration> {
        let mut tx = self.outbox.begin().await?;
        let fired = store::fire_due(tx.conn()).await?;
        if fired.is_empty() {
            let next = store::until_next(tx.conn()).await?;
            return Ok(next.unwrap_or(POLL).clamp(SHORTEST, POLL));
        }
        let expired_at = tx.now();
        for timer in &fired {
            let order_id = OrderId::from_uuid(timer.order_id);
            let trace = TraceContext::parse(&timer.traceparent).unwrap_or_else(|_| new_trace());
            let event = ExpirationCompleted { order_id, expired_at, trace_id: trace.trace_id };
            tx.publish(event, &trace)?;
        }
        tx.commit().await?;
        tracing::debug!(timers = fired.len(), "fired");
        Ok(Duration::ZERO)
    }
}
