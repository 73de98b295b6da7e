//! What a batch of causes makes of reservations and stock. Pure.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use contracts::events::Event;
use contracts::ids::{OrderId, Sku};
use contracts::trace::TraceContext;

use crate::reservation::{Cause, Inconsistent, Reservation, Status, decide};
use crate::stock::{Level, Stock};

/// Something that happened to an order, in the trace it belongs to.
#[derive(Debug, Clone, Copy)]
pub struct Happened<'e> {
    /// The order.
    pub order: OrderId,
    /// What happened to it.
    pub cause: Cause<'e>,
    /// The trace.
    pub trace: TraceContext,
}

/// What is to be stored and told.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changes {
    /// Reservations of orders that had none.
    pub begun: Vec<(OrderId, Reservation)>,
    /// Known reservations that now stand elsewhere.
    pub moved: Vec<(OrderId, Reservation)>,
    /// The stock that has changed.
    pub stock: Vec<(Sku, Stock)>,
    /// What is told about it, each with the trace of its cause.
    pub events: Vec<(Event, TraceContext)>,
}

/// The products whose stock the causes can change.
pub fn skus<'e>(
    happened: &[Happened<'e>],
    known: &'e BTreeMap<OrderId, Reservation>,
) -> BTreeSet<&'e Sku> {
    let mut skus = BTreeSet::new();
    for Happened { order, cause, .. } in happened {
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

/// Folds the causes, in order, over the reservations of their orders and the stock of their products.
/// Of each product is told once, whatever happened to it on the way to its new level.
pub fn changes(
    happened: &[Happened],
    known: BTreeMap<OrderId, Reservation>,
    stock: &BTreeMap<Sku, Stock>,
    now: DateTime<Utc>,
) -> Result<Changes, Inconsistent> {
    let mut changes = Changes::default();
    let before: BTreeMap<OrderId, Status> =
        known.iter().map(|(order, held)| (*order, held.status)).collect();
    let mut reservations = known;
    let mut levels: BTreeMap<Sku, Level> =
        stock.iter().map(|(sku, stock)| (sku.clone(), stock.level)).collect();
    let mut traces: BTreeMap<Sku, TraceContext> = BTreeMap::new();
    for &Happened { order, cause, trace } in happened {
        let held = reservations.get(&order);
        let decision = decide(order, held, cause, &levels, now, trace.trace_id)?;
        let Some(decision) = decision else { continue };
        for (sku, level) in decision.levels {
            traces.insert(sku.clone(), trace);
            levels.insert(sku, level);
        }
        changes.events.extend(decision.event.map(|event| (event, trace)));
        reservations.insert(order, decision.reservation);
    }

    for (order, held) in reservations {
        match before.get(&order) {
            None => changes.begun.push((order, held)),
            Some(before) if *before != held.status => changes.moved.push((order, held)),
            Some(_) => {}
        }
    }
    for (sku, trace) in traces {
        let (Some(before), Some(level)) = (stock.get(&sku), levels.get(&sku)) else { continue };
        let after = before.changed_to(*level);
        if after != *before {
            let told = after.told(sku.clone(), now, trace.trace_id);
            changes.events.push((told.into(), trace));
            changes.stock.push((sku, after));
        }
    }
    Ok(changes)
}
