//! What the service hears of: prices, keys, and how its orders fare.

use std::collections::HashMap;

use contracts::events::{Event, EventType};
use contracts::ids::OrderId;
use messaging::{Handler, HandlerError, Received, Tx};
use service_kit::tokens::store_signing_key;

use crate::order::{Cause, Order, decide};
use crate::store::{self, Change};
use crate::{figures, news, prices};

/// Handles the events of the other services.
#[derive(Debug)]
pub struct OrdersHandler;

/// An event about an order that was never placed here. It is placed before anybody hears of it, so its
/// event was not made by this system.
#[derive(Debug, thiserror::Error)]
#[error("the order {0} is not known")]
struct UnknownOrder(OrderId);

/// A price that is none.
#[derive(Debug, thiserror::Error)]
#[error("the price of a product cannot be used")]
struct UnusablePrice(#[source] contracts::money::MoneyError);

impl Handler for OrdersHandler {
    const HANDLES: &'static [EventType] = &[
        EventType::InventoryReserved,
        EventType::InventoryReservationFailed,
        EventType::PaymentAuthorized,
        EventType::PaymentFailed,
        EventType::ExpirationCompleted,
        EventType::ProductCreated,
        EventType::ProductUpdated,
        EventType::ProductDiscontinued,
        EventType::SigningKeyPublished,
    ];

    async fn handle(&self, tx: &mut Tx, events: &[Received]) -> Result<(), HandlerError> {
        on_keys(tx, events).await?;
        on_products(tx, events).await?;
        on_orders(tx, events).await
    }
}

/// Keys are few, a handful a day.
async fn on_keys(tx: &mut Tx, events: &[Received]) -> Result<(), HandlerError> {
    for received in events {
        if let Event::SigningKeyPublished(key) = &received.event {
            store_signing_key(tx.conn(), key).await?;
        }
    }
    Ok(())
}

async fn on_products(tx: &mut Tx, events: &[Received]) -> Result<(), HandlerError> {
    let latest = news::latest(events.iter().map(|received| &received.event))
        .map_err(|error| HandlerError::permanent(UnusablePrice(error)))?;
    if !latest.is_empty() {
        prices::keep(tx.conn(), &latest).await?;
    }
    Ok(())
}

async fn on_orders(tx: &mut Tx, events: &[Received]) -> Result<(), HandlerError> {
    let causes: Vec<_> = events
        .iter()
        .filter_map(|received| Cause::of(&received.event).map(|(id, cause)| (received, id, cause)))
        .collect();
    if causes.is_empty() {
        return Ok(());
    }
    let mut orders: HashMap<OrderId, Order> =
        store::lock(tx.conn(), causes.iter().map(|(_, id, _)| *id)).await?;
    let now = tx.now();
    let mut changes = Vec::with_capacity(causes.len());
    for (received, id, cause) in causes {
        let order = orders.get_mut(&id).ok_or_else(|| HandlerError::permanent(UnknownOrder(id)))?;
        let (decided, news) = decide(*order, cause, now, received.trace.trace_id);
        *order = decided;
        if let Some(news) = news {
            changes.push(Change { order: decided, cause, event: Some(received.id) });
            tx.publish(news, &received.trace)?;
        }
    }
    if !changes.is_empty() {
        store::write(tx.conn(), &changes).await?;
        figures::changed(tx, changes.iter().map(|change| &change.order));
    }
    Ok(())
}
