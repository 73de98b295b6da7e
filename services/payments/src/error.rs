//! Refusals as clients read them.

use contracts::ids::OrderId;
use service_kit::http::Problem;

use crate::payment::Refusal;

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::OrderEnded => Problem::conflict(
                "order-ended",
                "The order has ended and can no longer be paid; place a new one.",
            ),
            Refusal::AlreadyPaid => Problem::conflict(
                "already-paid",
                "The order is paid already; nothing is left to do.",
            ),
            Refusal::InProgress => Problem::conflict(
                "payment-in-progress",
                "The order is being paid with another payment method; look at the payment in a second.",
            ),
            Refusal::Failed => Problem::conflict(
                "payment-failed",
                "The payment was declined, which ends the order; place a new one.",
            ),
        }
    }
}

/// 404 for an order that is another customer's, that does not exist, or that is not known here yet.
pub fn unknown(order: OrderId) -> Problem {
    Problem::not_found(format!(
        "You have no order {order} to pay. One that was placed a moment ago may not be known here \
         yet: try again in a second."
    ))
}

/// 422 for a payment method that the provider does not have.
pub fn unknown_method() -> Problem {
    Problem::invalid_field(
        "paymentMethod",
        "The payment provider does not know this payment method; choose another.",
    )
}
