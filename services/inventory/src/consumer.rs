//! What the service hears of, and what it does about it.

use std::collections::BTreeMap;

use contracts::events::{Event, EventType};
use contracts::ids::{OrderId, Sku};
use contracts::trace::TraceContext;
use messaging::{Handler, HandlerError, Received, Tx};
use service_kit::tokens::store_signing_key;

use crate::changes::{Happened, changes, skus};
use crate::reservation::{Cause, Status};
use crate::stock::Stock;
use crate::store;

/// Gives new products a stock, and moves stock as orders begin and end.
///
/// The stock of a discontinued product stays: orders that hold some of it go on.
pub struct Inbound;

impl Handler for Inbound {
    const HANDLES: &'static [EventType] = &[
        EventType::OrderCreated,
        EventType::OrderCancelled,
        EventType::OrderCompleted,
        EventType::OrderFailed,
        EventType::ProductCreated,
        EventType::SigningKeyPublished,
    ];

    // What is deducted was set aside before, so nobody else could have had it.
    const CAN_WAIT: &'static [EventType] =
        &[EventType::OrderCompleted, EventType::SigningKeyPublished];

    async fn handle(&self, tx: &mut Tx, events: &[Received]) -> Result<(), HandlerError> {
        on_signing_keys(tx, events).await?;
        on_products(tx, events).await?;
        on_orders(tx, events).await
    }
}

async fn on_signing_keys(tx: &mut Tx, events: &[Received]) -> Result<(), HandlerError> {
    for received in events {
        if let Event::SigningKeyPublished(published) = &received.event {
            store_signing_key(tx.conn(), published).await?;
        }
    }
    Ok(())
}

async fn on_products(tx: &mut Tx, events: &[Received]) -> Result<(), HandlerError> {
    let created: BTreeMap<&Sku, TraceContext> = events
        .iter()
        .filter_map(|received| match &received.event {
            Event::ProductCreated(created) => Some((&created.sku, received.trace)),
            _ => None,
        })
        .collect();
    if created.is_empty() {
        return Ok(());
    }
    let added = store::add_stock(tx.conn(), created.keys().copied()).await?;
    for sku in added {
        let Some(trace) = created.get(&sku) else { continue };
        tx.publish(Stock::NEW.told(sku, tx.now(), trace.trace_id), trace)?;
    }
    Ok(())
}

/// One query reads each table and one writes it, however many orders there are.
async fn on_orders(tx: &mut Tx, events: &[Received]) -> Result<(), HandlerError> {
    let happened: Vec<Happened> = events
        .iter()
        .filter_map(|received| {
            let (order, cause) = Cause::of(&received.event)?;
            Some(Happened { order, cause, trace: received.trace })
        })
        .collect();
    if happened.is_empty() {
        return Ok(());
    }
    let orders: Vec<OrderId> = happened.iter().map(|happened| happened.order).collect();
    let known = store::lock_reservations(tx.conn(), &orders).await?;
    let stock = store::lock_stock(tx.conn(), skus(&happened, &known)).await?;
    let changes = changes(&happened, known, &stock, tx.now()).map_err(HandlerError::permanent)?;

    for (order, held) in &changes.begun {
        if held.status == Status::Deducted {
            // The orders service completes nothing before it has heard of the reservation.
            tracing::warn!(%order, "completed without a reservation; the stock stays as it is");
        }
    }
    if !changes.begun.is_empty() {
        store::insert_reservations(tx.conn(), &changes.begun).await?;
    }
    if !changes.moved.is_empty() {
        store::update_reservations(tx.conn(), &changes.moved).await?;
    }
    if !changes.stock.is_empty() {
        store::update_stock(tx.conn(), &changes.stock).await?;
    }
    for (event, trace) in changes.events {
        tx.publish(event, &trace)?;
    }
    Ok(())
}
