//! What a batch of causes makes of payments. Pure.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use contracts::events::Event;
use contracts::ids::OrderId;
use contracts::trace::TraceContext;

use crate::cause::Cause;
use crate::payment::{Payment, decide};

/// Something that happened to an order's payment. Without a trace it is the answer to what another
/// trace has led to, and belongs to that one.
#[derive(Debug, Clone)]
pub struct Happened<'e> {
    /// The order.
    pub order: OrderId,
    /// What happened to its payment.
    pub cause: Cause<'e>,
    /// The trace it belongs to.
    pub trace: Option<TraceContext>,
}

/// A payment as it is to be, and the version of it that is stored.
#[derive(Debug)]
pub struct Change {
    /// As it is to be.
    pub payment: Payment,
    stored: i64,
}

impl Change {
    /// A payment as it was read, or a new one.
    pub fn none(payment: Payment) -> Self {
        Self { stored: payment.version, payment }
    }

    /// Whether nothing is stored of it yet.
    pub fn is_new(&self) -> bool {
        self.stored == 0
    }

    /// Whether there is anything to store.
    pub fn is_one(&self) -> bool {
        self.payment.version != self.stored
    }
}

/// Folds what happened, in order, over the known payments of its orders; `new` makes the payment of
/// an order that has none. Returns what is to be stored, and what is told, each with its trace.
pub fn changes(
    known: Vec<Payment>,
    happened: Vec<Happened>,
    now: DateTime<Utc>,
    mut new: impl FnMut(OrderId, Option<TraceContext>) -> Payment,
) -> (Vec<Change>, Vec<(Event, TraceContext)>) {
    let mut changes: BTreeMap<OrderId, Change> =
        known.into_iter().map(|payment| (payment.order, Change::none(payment))).collect();
    let mut events = Vec::new();
    for Happened { order, cause, trace } in happened {
        let change = changes.entry(order).or_insert_with(|| Change::none(new(order, trace)));
        let trace = trace.unwrap_or(change.payment.trace);
        let Some(decision) = decide(&change.payment, cause, trace, now) else { continue };
        change.payment = decision.payment;
        events.extend(decision.event.map(|event| (event, trace)));
    }
    (changes.into_values().filter(Change::is_one).collect(), events)
}
