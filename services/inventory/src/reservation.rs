//! What is set aside for an order, and what its events do to it. Pure.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use contracts::events::{
    Event, InventoryReleased, InventoryReservationFailed, InventoryReserved, Line,
    ReservationFailureReason,
};
use contracts::ids::{OrderId, Sku};
use contracts::trace::TraceId;

use crate::stock::Level;

/// The decision about an order, and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reservation {
    /// Where it stands.
    pub status: Status,
    /// What was set aside: pieces by SKU, at least one each. Empty where nothing ever was.
    pub lines: BTreeMap<Sku, u32>,
}

/// Where a reservation stands. All but the first are final.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// The lines are set aside.
    Reserved,
    /// There was too little of something, so nothing was set aside.
    Rejected,
    /// The order ended otherwise; nothing is set aside any more, nor will be.
    Released,
    /// The order was completed; the lines have left the stock.
    Deducted,
}

/// What happened to an order.
#[derive(Debug, Clone, Copy)]
pub enum Cause<'e> {
    /// It was placed, with these lines. A SKU may be in several.
    Created(&'e [Line]),
    /// It was cancelled, or it failed.
    Ended,
    /// It was completed.
    Completed,
}

/// What a cause changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// The order's reservation from now on.
    pub reservation: Reservation,
    /// The new levels, each SKU once.
    pub levels: Vec<(Sku, Level)>,
    /// What is told about it.
    pub event: Option<Event>,
}

/// A reservation that the stock knows nothing of: one of the two was changed from outside.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{order} holds {qty} of {sku}, and the stock says that fewer are reserved")]
pub struct Inconsistent {
    order: OrderId,
    sku: Sku,
    qty: u32,
}

impl<'e> Cause<'e> {
    /// The order an event is about and what happened to it, if that matters to its reservation.
    pub fn of(event: &'e Event) -> Option<(OrderId, Self)> {
        match event {
            Event::OrderCreated(event) => Some((event.order_id, Self::Created(&event.items))),
            Event::OrderCancelled(event) => Some((event.order_id, Self::Ended)),
            Event::OrderFailed(event) => Some((event.order_id, Self::Ended)),
            Event::OrderCompleted(event) => Some((event.order_id, Self::Completed)),
            _ => None,
        }
    }
}

/// Decides what a cause does to an order's reservation: `None` if nothing, as with every repeat.
///
/// `levels` holds those of the order's SKUs, and may hold more; a SKU that is not there is unknown.
/// An end that is heard of before the order is remembered, so that the order then reserves nothing.
pub fn decide(
    order: OrderId,
    reservation: Option<&Reservation>,
    cause: Cause,
    levels: &BTreeMap<Sku, Level>,
    now: DateTime<Utc>,
    trace_id: TraceId,
) -> Result<Option<Decision>, Inconsistent> {
    match (reservation, cause) {
        (None, Cause::Created(items)) => Ok(Some(reserve(order, items, levels, now, trace_id))),
        (None, Cause::Ended) => Ok(Some(Decision::before_the_order(Status::Released))),
        (None, Cause::Completed) => Ok(Some(Decision::before_the_order(Status::Deducted))),
        (Some(held @ Reservation { status: Status::Reserved, .. }), Cause::Ended) => {
            let event = InventoryReleased {
                order_id: order,
                reservations: held.told(),
                released_at: now,
                trace_id,
            };
            Ok(Some(Decision {
                levels: held.settle(order, levels, Level::release)?,
                reservation: held.now(Status::Released),
                event: Some(event.into()),
            }))
        }
        (Some(held @ Reservation { status: Status::Reserved, .. }), Cause::Completed) => {
            Ok(Some(Decision {
                levels: held.settle(order, levels, Level::deduct)?,
                reservation: held.now(Status::Deducted),
                event: None,
            }))
        }
        (Some(_), _) => Ok(None),
    }
}

/// All lines or none.
fn reserve(
    order: OrderId,
    items: &[Line],
    levels: &BTreeMap<Sku, Level>,
    now: DateTime<Utc>,
    trace_id: TraceId,
) -> Decision {
    // A sum beyond u32 is more than there can be of anything.
    let mut wanted: BTreeMap<&Sku, Option<u32>> = BTreeMap::new();
    for line in items {
        let sum = wanted.entry(&line.sku).or_insert(Some(0));
        *sum = sum.and_then(|sum| sum.checked_add(line.qty));
    }
    let mut held = Reservation { status: Status::Reserved, lines: BTreeMap::new() };
    let mut changed = Vec::with_capacity(wanted.len());
    for (sku, qty) in wanted {
        let level = levels.get(sku).zip(qty).and_then(|(level, qty)| level.reserve(qty));
        let (Some(level), Some(qty)) = (level, qty) else {
            return rejected(order, sku, trace_id);
        };
        held.lines.insert(sku.clone(), qty);
        changed.push((sku.clone(), level));
    }
    let event = InventoryReserved {
        order_id: order,
        reservations: held.told(),
        reserved_at: now,
        trace_id,
    };
    Decision { reservation: held, levels: changed, event: Some(event.into()) }
}

fn rejected(order_id: OrderId, sku: &Sku, trace_id: TraceId) -> Decision {
    let event = InventoryReservationFailed {
        order_id,
        reason: ReservationFailureReason::OutOfStock,
        sku: Some(sku.clone()),
        trace_id,
    };
    Decision {
        reservation: Reservation { status: Status::Rejected, lines: BTreeMap::new() },
        levels: Vec::new(),
        event: Some(event.into()),
    }
}

impl Decision {
    fn before_the_order(status: Status) -> Self {
        let reservation = Reservation { status, lines: BTreeMap::new() };
        Self { reservation, levels: Vec::new(), event: None }
    }
}

impl Reservation {
    fn now(&self, status: Status) -> Self {
        Self { status, lines: self.lines.clone() }
    }

    fn told(&self) -> Vec<Line> {
        self.lines.iter().map(|(sku, &qty)| Line { sku: sku.clone(), qty }).collect()
    }

    /// The levels after each line was taken back.
    fn settle(
        &self,
        order: OrderId,
        levels: &BTreeMap<Sku, Level>,
        take: impl Fn(Level, u32) -> Option<Level>,
    ) -> Result<Vec<(Sku, Level)>, Inconsistent> {
        self.lines
            .iter()
            .map(|(sku, &qty)| {
                let level = levels.get(sku).and_then(|&level| take(level, qty));
                let level = level.ok_or_else(|| Inconsistent { order, sku: sku.clone(), qty })?;
                Ok((sku.clone(), level))
            })
            .collect()
    }
}

#[cfg(test)]
mod tests;
