//! An order on its way, and the saga's decision about it. Pure.

use chrono::{DateTime, Utc};
use contracts::events::{
    CancelReason, Event, OrderCancelled, OrderCompleted, OrderFailed, OrderFailureReason,
    OrderStatus, OrderStep, OrderUpdated,
};
use contracts::ids::{CustomerId, OrderId};
use contracts::money::Money;
use contracts::trace::TraceId;

/// What the saga knows of an order. Small: a batch holds hundreds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Order {
    /// Its id.
    pub id: OrderId,
    /// Whose it is.
    pub customer: CustomerId,
    /// What it costs in all.
    pub total: Money,
    /// Where it stands.
    pub state: State,
    /// 1 when placed, one more with every change.
    pub version: u32,
    /// When it changed last. Never runs backwards.
    pub updated_at: DateTime<Utc>,
}

/// Where an order stands. The first three are open; the others end it and never change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Neither reserved nor paid.
    Created,
    /// The stock is set aside, the money is not.
    InventoryReserved,
    /// The money is set aside, the stock is not: the news of it came first.
    PaymentAuthorized,
    /// Both are.
    Completed,
    /// One of them could not be.
    Failed(OrderFailureReason),
    /// Given up before it was decided.
    Cancelled(CancelReason),
}

/// What can move an order that has been placed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// inventory has set all its lines aside.
    InventoryReserved,
    /// inventory could not.
    InventoryReservationFailed,
    /// payments has set the money aside.
    PaymentAuthorized,
    /// payments could not.
    PaymentFailed,
    /// Its timer has ended.
    ExpirationCompleted,
    /// Its customer does not want it any more.
    CustomerCancelled,
}

/// The saga's decision: what a cause makes of an order, and what is told about it.
///
/// The first cause that decides an order wins. Whatever repeats itself or comes after the end changes
/// nothing and tells nothing, so every cause may arrive any number of times and in any order.
///
/// The end of the timer is taken as it comes, also where `now` is before the order's time: the clock of
/// another machine may be ahead, and the timer, once fired, is gone. An early end is the smaller harm;
/// without it the order would stay open for ever.
pub fn decide(
    order: Order,
    cause: Cause,
    now: DateTime<Utc>,
    trace: TraceId,
) -> (Order, Option<Event>) {
    let Some(state) = order.state.after(cause) else {
        return (order, None);
    };
    let order = Order {
        state,
        version: order.version + 1,
        // A transaction that waited for the order may have begun before the one it waited for.
        updated_at: now.max(order.updated_at),
        ..order
    };
    (order, Some(order.news(trace)))
}

impl Order {
    /// An order that has just been placed.
    pub fn placed(id: OrderId, customer: CustomerId, total: Money, now: DateTime<Utc>) -> Self {
        Self { id, customer, total, state: State::Created, version: 1, updated_at: now }
    }

    /// What is told about the change that brought the order to where it stands.
    fn news(&self, trace_id: TraceId) -> Event {
        let (order_id, at) = (self.id, self.updated_at);
        let (customer_id, version) = (Some(self.customer), Some(self.version));
        match self.state {
            State::Created | State::InventoryReserved | State::PaymentAuthorized => OrderUpdated {
                order_id,
                customer_id: self.customer,
                status: self.state.status(),
                step: self.state.step(),
                version: self.version,
                updated_at: at,
                trace_id,
            }
            .into(),
            State::Completed => OrderCompleted {
                order_id,
                customer_id,
                version,
                total: Some(self.total.amount()),
                currency: Some(self.total.currency),
                completed_at: Some(at),
                trace_id,
            }
            .into(),
            State::Failed(reason) => OrderFailed {
                order_id,
                reason,
                customer_id,
                version,
                failed_at: Some(at),
                trace_id,
            }
            .into(),
            State::Cancelled(reason) => {
                let cancelled_at = Some(at);
                OrderCancelled { order_id, customer_id, reason, version, cancelled_at, trace_id }
                    .into()
            }
        }
    }
}

impl State {
    /// Where a cause leads from here; `None` where it changes nothing.
    fn after(self, cause: Cause) -> Option<Self> {
        let open =
            matches!(self, Self::Created | Self::InventoryReserved | Self::PaymentAuthorized);
        if !open {
            return None;
        }
        Some(match cause {
            Cause::InventoryReserved => match self {
                Self::Created => Self::InventoryReserved,
                Self::PaymentAuthorized => Self::Completed,
                _ => return None,
            },
            Cause::PaymentAuthorized => match self {
                Self::Created => Self::PaymentAuthorized,
                Self::InventoryReserved => Self::Completed,
                _ => return None,
            },
            Cause::InventoryReservationFailed => Self::Failed(OrderFailureReason::OutOfStock),
            Cause::PaymentFailed => Self::Failed(OrderFailureReason::PaymentFailed),
            Cause::ExpirationCompleted => Self::Cancelled(CancelReason::Expired),
            Cause::CustomerCancelled => Self::Cancelled(CancelReason::Customer),
        })
    }

    /// Whether and how the order ended.
    pub fn status(self) -> OrderStatus {
        match self {
            Self::Created | Self::InventoryReserved | Self::PaymentAuthorized => {
                OrderStatus::Pending
            }
            Self::Completed => OrderStatus::Completed,
            Self::Failed(_) => OrderStatus::Failed,
            Self::Cancelled(_) => OrderStatus::Cancelled,
        }
    }

    /// How far the order is.
    pub fn step(self) -> OrderStep {
        match self {
            Self::Created => OrderStep::Created,
            Self::InventoryReserved => OrderStep::InventoryReserved,
            Self::PaymentAuthorized => OrderStep::PaymentAuthorized,
            Self::Completed => OrderStep::Completed,
            Self::Failed(_) => OrderStep::Failed,
            Self::Cancelled(_) => OrderStep::Cancelled,
        }
    }

    /// Why the order ended, where it did not complete.
    pub fn reason(self) -> Option<&'static str> {
        match self {
            Self::Failed(reason) => Some(reason.as_str()),
            Self::Cancelled(reason) => Some(reason.as_str()),
            _ => None,
        }
    }

    /// The state of that step and reason, where the two belong together.
    pub fn from_parts(step: OrderStep, reason: Option<&str>) -> Option<Self> {
        Some(match (step, reason) {
            (OrderStep::Created, None) => Self::Created,
            (OrderStep::InventoryReserved, None) => Self::InventoryReserved,
            (OrderStep::PaymentAuthorized, None) => Self::PaymentAuthorized,
            (OrderStep::Completed, None) => Self::Completed,
            (OrderStep::Failed, Some(reason)) => Self::Failed(reason.parse().ok()?),
            (OrderStep::Cancelled, Some(reason)) => Self::Cancelled(reason.parse().ok()?),
            _ => return None,
        })
    }
}

impl Cause {
    /// The order an event is about and what it means to it, if it means anything.
    pub fn of(event: &Event) -> Option<(OrderId, Self)> {
        Some(match event {
            Event::InventoryReserved(event) => (event.order_id, Self::InventoryReserved),
            Event::InventoryReservationFailed(event) => {
                (event.order_id, Self::InventoryReservationFailed)
            }
            Event::PaymentAuthorized(event) => (event.order_id, Self::PaymentAuthorized),
            Event::PaymentFailed(event) => (event.order_id, Self::PaymentFailed),
            Event::ExpirationCompleted(event) => (event.order_id, Self::ExpirationCompleted),
            _ => return None,
        })
    }

    /// The name it has in an order's history.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InventoryReserved => "InventoryReserved",
            Self::InventoryReservationFailed => "InventoryReservationFailed",
            Self::PaymentAuthorized => "PaymentAuthorized",
            Self::PaymentFailed => "PaymentFailed",
            Self::ExpirationCompleted => "ExpirationCompleted",
            Self::CustomerCancelled => "CustomerCancelled",
        }
    }
}

#[cfg(test)]
mod tests;
