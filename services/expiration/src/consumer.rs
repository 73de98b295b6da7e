//! What the service hears of orders.

use std::sync::Arc;

use contracts::events::EventType;
use messaging::{Handler, HandlerError, Received, Tx};
use tokio::sync::Notify;

use crate::firing::POLL;
use crate::store;
use crate::timer::{Timer, changes};

/// Sets timers as orders begin, and drops them as orders end.
pub struct Inbound {
    /// Wakes the task that fires.
    pub sooner: Arc<Notify>,
}

impl Handler for Inbound {
    const HANDLES: &'static [EventType] = &[
        EventType::OrderCreated,
        EventType::OrderCancelled,
        EventType::OrderCompleted,
        EventType::OrderFailed,
    ];

    async fn handle(&self, tx: &mut Tx, events: &[Received]) -> Result<(), HandlerError> {
        let heard = events.iter().filter_map(|received| Timer::of(&received.event, received.trace));
        let changes = changes(heard);
        store::apply(tx.conn(), &changes).await?;
        // Whatever is due later is found in time without being woken for it.
        let next_look = tx.now() + POLL;
        let sooner =
            |timer: &Timer| matches!(timer, Timer::Set { fires_at, .. } if *fires_at < next_look);
        if changes.values().any(sooner) {
            tx.wake_after_commit(&self.sooner);
        }
        Ok(())
    }
}
