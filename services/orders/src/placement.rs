//! Placing an order: what a customer asks for, and the order it becomes. Pure.

use chrono::{DateTime, TimeDelta, Utc};
use contracts::events::{Line, OrderCreated};
use contracts::ids::{CustomerId, OrderId};
use contracts::trace::TraceContext;

use crate::idempotency::RequestKey;
use crate::order::{Order, State};
use crate::quote::{PricedLine, Quote};

/// What a customer asks for, right in its form.
#[derive(Debug, Clone)]
pub struct NewOrder {
    /// Who asks.
    pub customer: CustomerId,
    /// At least one.
    pub lines: Vec<Line>,
    /// How to pay at once; without it the customer pays later.
    pub payment_method: Option<String>,
    /// Under which it can be asked for again.
    pub key: Option<RequestKey>,
    /// The request's trace.
    pub trace: TraceContext,
}

/// An order with all that was ordered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlacedOrder {
    /// Where it stands.
    pub order: Order,
    /// What was ordered, at the prices of then.
    pub lines: Vec<PricedLine>,
    /// How to pay at once.
    pub payment_method: Option<String>,
    /// When it was placed.
    pub created_at: DateTime<Utc>,
    /// When its timer ends.
    pub expires_at: DateTime<Utc>,
    /// The trace it was placed in.
    pub trace: TraceContext,
}

impl PlacedOrder {
    /// The order that a request becomes.
    pub fn new(
        id: OrderId,
        request: &NewOrder,
        quote: Quote,
        now: DateTime<Utc>,
        expiry: TimeDelta,
    ) -> Self {
        Self {
            order: Order::placed(id, request.customer, quote.total, now),
            lines: quote.lines,
            payment_method: request.payment_method.clone(),
            created_at: now,
            expires_at: now + expiry,
            trace: request.trace,
        }
    }

    /// What is told of it when it is placed.
    pub fn created(&self) -> OrderCreated {
        let line = |line: &PricedLine| Line { sku: line.sku.clone(), qty: line.qty };
        OrderCreated {
            order_id: self.order.id,
            customer_id: self.order.customer,
            items: self.lines.iter().map(line).collect(),
            total: self.order.total.amount(),
            currency: self.order.total.currency,
            created_at: self.created_at,
            expires_at: self.expires_at,
            payment_method: self.payment_method.clone(),
            trace_id: self.trace.trace_id,
        }
    }

    /// The order as it was when it was placed, whatever has become of it.
    #[must_use]
    pub fn when_placed(self) -> Self {
        let Order { id, customer, total, .. } = self.order;
        Self { order: Order::placed(id, customer, total, self.created_at), ..self }
    }

    /// Whether its customer has cancelled it.
    pub fn is_cancelled_by_customer(&self) -> bool {
        self.order.state == State::Cancelled(contracts::events::CancelReason::Customer)
    }
}
