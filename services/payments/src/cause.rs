//! What can happen to a payment.

use contracts::events::{Event, PaymentFailureReason};
use contracts::ids::OrderId;
use contracts::money::{Money, MoneyError};

use crate::payment::{Bill, Operation};

/// Something that happened, to be decided about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cause<'e> {
    /// The order was placed.
    OrderPlaced {
        /// What is to be paid by whom.
        bill: Bill,
        /// How, if the order says so.
        method: Option<&'e str>,
    },
    /// The customer wants to pay with this method.
    MethodChosen(&'e str),
    /// The order's stock is set aside.
    StockReserved,
    /// The order has ended.
    OrderEnded(OrderEnd),
    /// The provider has answered.
    Answered(Answer),
    /// The provider was asked and has not answered; whether it has done it is not known.
    Unanswered(Operation),
}

/// How an order ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OrderEnd {
    /// It will be delivered.
    Completed,
    /// It cannot be fulfilled.
    Failed,
    /// By the customer or the timer.
    Cancelled,
}

/// What the provider says it has done, now or when it was asked before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// The money is set aside, under a name of the provider's.
    Authorized {
        /// That name.
        reference: String,
    },
    /// It will not set the money aside.
    Declined(PaymentFailureReason),
    /// The money is taken.
    Captured,
    /// The money is free again.
    Cancelled,
    /// The money was given back.
    Refunded,
}

impl OrderEnd {
    /// Every end.
    pub const ALL: [Self; 3] = [Self::Completed, Self::Failed, Self::Cancelled];

    /// Its name in SQL.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Completed => "COMPLETED",
            Self::Failed => "FAILED",
            Self::Cancelled => "CANCELLED",
        }
    }

    /// Whether the money must go back, or stay, where it came from.
    pub const fn gives_up(self) -> bool {
        matches!(self, Self::Failed | Self::Cancelled)
    }
}

impl<'e> Cause<'e> {
    /// The order an event is about and what happened to its payment, if anything. An error is an
    /// amount that its currency does not have.
    pub fn of(event: &'e Event) -> Result<Option<(OrderId, Self)>, MoneyError> {
        Ok(match event {
            Event::OrderCreated(event) => {
                let amount = Money::from_amount(event.total, event.currency)?;
                let bill = Bill { customer: event.customer_id, amount };
                let method = event.payment_method.as_deref();
                Some((event.order_id, Self::OrderPlaced { bill, method }))
            }
            Event::InventoryReserved(event) => Some((event.order_id, Self::StockReserved)),
            Event::OrderCompleted(event) => {
                Some((event.order_id, Self::OrderEnded(OrderEnd::Completed)))
            }
            Event::OrderFailed(event) => Some((event.order_id, Self::OrderEnded(OrderEnd::Failed))),
            Event::OrderCancelled(event) => {
                Some((event.order_id, Self::OrderEnded(OrderEnd::Cancelled)))
            }
            _ => None,
        })
    }
}
