//! What the service hears of orders.

use contracts::events::{Event, EventType};
use messaging::{Handler, HandlerError, Received, Tx};
use service_kit::tokens::store_signing_key;

use crate::cause::Cause;
use crate::changes::Happened;
use crate::due::Due;
use crate::record::record;

/// Takes in what happens to orders, and leaves it to the worker to ask the provider.
pub struct Inbound {
    /// Where what the provider is to be asked goes.
    pub due: Due,
}

impl Handler for Inbound {
    const HANDLES: &'static [EventType] = &[
        EventType::OrderCreated,
        EventType::OrderCancelled,
        EventType::InventoryReserved,
        EventType::OrderCompleted,
        EventType::OrderFailed,
        EventType::SigningKeyPublished,
    ];

    // The bill is needed when the stock is there, and nobody waits for the capture.
    const CAN_WAIT: &'static [EventType] =
        &[EventType::OrderCreated, EventType::OrderCompleted, EventType::SigningKeyPublished];

    async fn handle(&self, tx: &mut Tx, events: &[Received]) -> Result<(), HandlerError> {
        let mut happened = Vec::with_capacity(events.len());
        for received in events {
            if let Event::SigningKeyPublished(published) = &received.event {
                store_signing_key(tx.conn(), published).await?;
                continue;
            }
            let cause = Cause::of(&received.event).map_err(HandlerError::permanent)?;
            if let Some((order, cause)) = cause {
                happened.push(Happened { order, cause, trace: Some(received.trace) });
            }
        }
        if happened.is_empty() {
            return Ok(());
        }
        record(tx, happened, &self.due).await
    }
}
