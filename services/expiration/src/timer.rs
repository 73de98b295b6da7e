//! What events do to timers. Pure.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use contracts::events::Event;
use contracts::ids::OrderId;
use contracts::trace::TraceContext;

/// What becomes of an order's timer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// It is set, unless there is or was one.
    Set {
        /// When it is due.
        fires_at: DateTime<Utc>,
        /// The trace the order was placed in.
        trace: TraceContext,
    },
    /// It is dropped, and none is set any more: the order has ended.
    Close,
}

/// What events, each with the trace it belongs to, do to the timers of their orders.
///
/// The order of the events is of no matter: an end closes the timer, whether it is heard of before or
/// after the beginning.
pub fn changes<'e>(
    events: impl Iterator<Item = (&'e Event, TraceContext)>,
) -> BTreeMap<OrderId, Change> {
    let mut changes = BTreeMap::new();
    for (event, trace) in events {
        let Some((order, change)) = change(event, trace) else { continue };
        let known = changes.entry(order).or_insert(change);
        if change == Change::Close {
            *known = Change::Close;
        }
    }
    changes
}

fn change(event: &Event, trace: TraceContext) -> Option<(OrderId, Change)> {
    Some(match event {
        Event::OrderCreated(e) => (e.order_id, Change::Set { fires_at: e.expires_at, trace }),
        Event::OrderCancelled(e) => (e.order_id, Change::Close),
        Event::OrderCompleted(e) => (e.order_id, Change::Close),
        Event::OrderFailed(e) => (e.order_id, Change::Close),
        _ => return None,
    })
}

#[cfg(test)]
mod tests;
