//! What an event means to the customer, in words.

use contracts::events::{CancelReason, Event, OrderCreated, OrderFailureReason};
use contracts::ids::{CustomerId, OrderId};

/// What a customer can be told of an order; each once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// It arrived.
    Received,
    /// It is reserved and paid.
    Completed,
    /// It could not be reserved or paid.
    Failed,
    /// The customer called it off.
    Cancelled,
    /// It was not paid in time.
    Expired,
}

impl Kind {
    /// The name in the database and on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Received => "ORDER_RECEIVED",
            Self::Completed => "ORDER_COMPLETED",
            Self::Failed => "ORDER_FAILED",
            Self::Cancelled => "ORDER_CANCELLED",
            Self::Expired => "ORDER_EXPIRED",
        }
    }
}

/// Something to tell a customer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// What it is about.
    pub order: OrderId,
    /// Whose order it is, where the event tells; all events of an order are about one customer.
    pub customer: Option<CustomerId>,
    /// What is told.
    pub kind: Kind,
    /// One line.
    pub subject: String,
    /// Plain text in ASCII, lines ended by `\n` and short enough to go out unencoded.
    pub body: String,
}

/// What an event gives a customer to know.
pub fn of(event: &Event) -> Option<Notice> {
    match event {
        Event::OrderCreated(created) => Some(received(created)),
        Event::OrderCompleted(completed) => {
            let charged = match (completed.total, completed.currency) {
                (Some(total), Some(currency)) => format!("\n{currency} {total} has been charged."),
                _ => String::new(),
            };
            let text = format!(
                "your order is complete:\neverything in it is reserved for you and paid.{charged}"
            );
            Some(notice(completed.order_id, completed.customer_id, Kind::Completed, &text))
        }
        Event::OrderFailed(failed) => {
            let text = match failed.reason {
                OrderFailureReason::OutOfStock => {
                    "we are sorry: your order could not be fulfilled,\n\
                     because something in it is out of stock.\n\
                     You have not been charged.\n\
                     You are welcome to order what is left, or to try again later."
                }
                OrderFailureReason::PaymentFailed => {
                    "we are sorry: your order could not be fulfilled,\n\
                     because the payment did not go through.\n\
                     You have not been charged.\n\
                     You are welcome to order again with another payment method."
                }
            };
            Some(notice(failed.order_id, failed.customer_id, Kind::Failed, text))
        }
        Event::OrderCancelled(cancelled) => {
            let (kind, text) = match cancelled.reason {
                CancelReason::Customer => (
                    Kind::Cancelled,
                    "your order is cancelled, as you wished.\n\
                     You will not be charged; a payment under way is given back.",
                ),
                CancelReason::Expired => (
                    Kind::Expired,
                    "your order has expired, because it was not paid in time.\n\
                     You will not be charged; a payment under way is given back.\n\
                     You are welcome to order again.",
                ),
            };
            Some(notice(cancelled.order_id, cancelled.customer_id, kind, text))
        }
        _ => None,
    }
}

fn received(created: &OrderCreated) -> Notice {
    let (total, currency) = (created.total, created.currency);
    let next = if created.payment_method.is_some() {
        "We will write again as soon as it is reserved and paid.".to_owned()
    } else {
        let until = created.expires_at.format("%-d %B %Y, %H:%M UTC");
        format!("Please pay until {until};\notherwise it is cancelled by itself.")
    };
    let text = format!("we have received your order over {currency} {total}. Thank you!\n{next}");
    notice(created.order_id, Some(created.customer_id), Kind::Received, &text)
}

fn notice(order: OrderId, customer: Option<CustomerId>, kind: Kind, text: &str) -> Notice {
    let state = match kind {
        Kind::Received => "received",
        Kind::Completed => "complete",
        Kind::Failed => "not fulfilled",
        Kind::Cancelled => "cancelled",
        Kind::Expired => "expired",
    };
    Notice {
        order,
        customer,
        kind,
        subject: format!("Your order {order}: {state}"),
        body: format!("Hello,\n\n{text}\n\nYour order: {order}\n\nBoutique\n"),
    }
}

#[cfg(test)]
mod tests;
