//! What the service hears of, and what it does about it.

use std::collections::{BTreeMap, BTreeSet};

use contracts::events::{Event, EventType};
use contracts::ids::{OrderId, Sku};
use contracts::trace::TraceContext;
use messaging::{Handler, HandlerError, Received, Tx};
use service_kit::tokens::store_signing_key;

use crate::reservation::{Cause, Reservation, Status, decide};
use crate::stock::{Level, Stock};
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

/// Folds the events over what they are about, in memory: one query reads each table and one writes it,
/// however many orders there are.
async fn on_orders(tx: &mut Tx, events: &[Received]) -> Result<(), HandlerError> {
    let causes: Vec<(OrderId, Cause, TraceContext)> = events
        .iter()
        .filter_map(|received| {
            Cause::of(&received.event).map(|(order, cause)| (order, cause, received.trace))
        })
        .collect();
    if causes.is_empty() {
        return Ok(());
    }
    let orders: Vec<OrderId> = causes.iter().map(|&(order, ..)| order).collect();
    let known = store::lock_reservations(tx.conn(), &orders).await?;
    let skus = skus(&causes, &known);
    let stock = store::lock_stock(tx.conn(), skus).await?;

    let before: BTreeMap<OrderId, Status> =
        known.iter().map(|(order, held)| (*order, held.status)).collect();
    let mut reservations = known;
    let mut levels: BTreeMap<Sku, Level> =
        stock.iter().map(|(sku, stock)| (sku.clone(), stock.level)).collect();
    let mut traces: BTreeMap<Sku, TraceContext> = BTreeMap::new();
    for (order, cause, trace) in causes {
        let held = reservations.get(&order);
        let decision = decide(order, held, cause, &levels, tx.now(), trace.trace_id)
            .map_err(HandlerError::permanent)?;
        let Some(decision) = decision else { continue };
        if decision.reservation.status == Status::Deducted && held.is_none() {
            // The orders service completes nothing before it has heard of the reservation.
            tracing::warn!(%order, "completed without a reservation; the stock stays as it is");
        }
        for (sku, level) in decision.levels {
            traces.insert(sku.clone(), trace);
            levels.insert(sku, level);
        }
        if let Some(event) = decision.event {
            tx.publish(event, &trace)?;
        }
        reservations.insert(order, decision.reservation);
    }

    save_reservations(tx, &before, &reservations).await?;
    save_stock(tx, &stock, &levels, &traces).await
}

/// The products whose stock the causes can change.
fn skus<'e>(
    causes: &[(OrderId, Cause<'e>, TraceContext)],
    known: &'e BTreeMap<OrderId, Reservation>,
) -> BTreeSet<&'e Sku> {
    let mut skus = BTreeSet::new();
    for (order, cause, _) in causes {
        match (known.get(order), cause) {
            (None, Cause::Created(items)) => skus.extend(items.iter().map(|line| &line.sku)),
            (Some(held), Cause::Ended | Cause::Completed) if held.status == Status::Reserved => {
                skus.extend(held.lines.keys());
            }
            _ => {}
        }
    }
    skus
}

async fn save_reservations(
    tx: &mut Tx,
    before: &BTreeMap<OrderId, Status>,
    reservations: &BTreeMap<OrderId, Reservation>,
) -> Result<(), HandlerError> {
    let (mut new, mut changed) = (Vec::new(), Vec::new());
    for (order, held) in reservations {
        match before.get(order) {
            None => new.push((*order, held)),
            Some(before) if *before != held.status => changed.push((*order, held)),
            Some(_) => {}
        }
    }
    if !new.is_empty() {
        store::insert_reservations(tx.conn(), &new).await?;
    }
    if !changed.is_empty() {
        store::update_reservations(tx.conn(), &changed).await?;
    }
    Ok(())
}

/// Tells of each product once, whatever happened to it on the way to its new level.
async fn save_stock(
    tx: &mut Tx,
    stock: &BTreeMap<Sku, Stock>,
    levels: &BTreeMap<Sku, Level>,
    traces: &BTreeMap<Sku, TraceContext>,
) -> Result<(), HandlerError> {
    let changed: Vec<(&Sku, Stock, &TraceContext)> = traces
        .iter()
        .filter_map(|(sku, trace)| {
            let before = stock.get(sku)?;
            let after = before.changed_to(*levels.get(sku)?);
            (after != *before).then_some((sku, after, trace))
        })
        .collect();
    if changed.is_empty() {
        return Ok(());
    }
    store::update_stock(tx.conn(), changed.iter().map(|(sku, stock, _)| (*sku, stock))).await?;
    for (sku, stock, trace) in changed {
        tx.publish(stock.told(sku.clone(), tx.now(), trace.trace_id), trace)?;
    }
    Ok(())
}
