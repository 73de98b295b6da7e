//! What the service hears of: orders that begin, and orders that end.

use std::sync::Arc;

use contracts::events::EventType;
use messaging::{Handler, HandlerError, Received, Tx};
use tokio::sync::Notify;

use crate::clock::{Clock, LONGEST_WAIT};
use crate::store;
use crate::timer::{Change, changes};

/// Keeps the timers of open orders.
#[derive(Debug)]
pub struct Inbound {
    nearer: Arc<Notify>,
}

impl Inbound {
    /// Wakes `clock` when a timer is due before it would look again.
    pub fn new(clock: &Clock) -> Self {
        Self { nearer: clock.waker() }
    }
}

impl Handler for Inbound {
    const HANDLES: &'static [EventType] = &[
        EventType::OrderCreated,
        EventType::OrderCancelled,
        EventType::OrderCompleted,
        EventType::OrderFailed,
    ];

    const CAN_WAIT: &'static [EventType] = Self::HANDLES;

    async fn handle(&self, tx: &mut Tx, events: &[Received]) -> Result<(), HandlerError> {
        let changes = changes(events.iter().map(|received| (&received.event, received.trace)));
        store::write(tx.conn(), &changes).await?;
        let soon = tx.now() + LONGEST_WAIT;
        let is_soon =
            |change: &Change| matches!(change, Change::Set { fires_at, .. } if *fires_at < soon);
        if changes.values().any(is_soon) {
            let nearer = Arc::clone(&self.nearer);
            tx.after_commit(move || nearer.notify_one());
        }
        Ok(())
    }
}
