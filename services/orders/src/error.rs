//! What clients are told when an order cannot be placed or cancelled.

use axum::http::StatusCode;
use contracts::events::OrderStatus;
use contracts::ids::OrderId;
use service_kit::http::Problem;

use crate::intake::PlaceError;
use crate::limit::Limited;
use crate::order::Order;

/// The header that names a request so that it can be repeated.
pub const IDEMPOTENCY_KEY: &str = "Idempotency-Key";

impl From<PlaceError> for Problem {
    fn from(error: PlaceError) -> Self {
        match error {
            PlaceError::Refused(refusal) => {
                Self::invalid_field(refusal.field(), refusal.to_string())
            }
            PlaceError::KeyReused => Self::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "idempotency-key-reused",
                "An order was placed under this Idempotency-Key by another request; choose a new key.",
            )
            .with_field(IDEMPOTENCY_KEY),
            PlaceError::InFlight => Self::conflict(
                "idempotency-key-in-flight",
                "A request with this Idempotency-Key is being worked on; repeat it in a second to \
                 get its answer.",
            )
            .with_field(IDEMPOTENCY_KEY)
            .with_retry_after(1),
            PlaceError::Busy => {
                Self::unavailable("Too many orders are being placed; try again in a second.")
            }
            PlaceError::Unavailable => Self::unavailable(
                "The order could not be confirmed; repeat the request in a second, with its \
                 Idempotency-Key if it has one.",
            ),
        }
    }
}

impl From<Limited> for Problem {
    fn from(Limited(wait): Limited) -> Self {
        Self::too_many(
            "too-many-orders",
            "You have placed too many orders in a minute; the header Retry-After tells for how many \
             seconds to wait.",
            wait,
        )
    }
}

/// 404, also for somebody else's order.
pub fn unknown_order(id: OrderId) -> Problem {
    Problem::not_found(format!("You have no order {id}."))
}

/// 409 for an order that has ended otherwise.
pub fn cannot_be_cancelled(order: &Order) -> Problem {
    let status = order.state.status();
    let how = match order.state.reason() {
        Some(reason) if status == OrderStatus::Cancelled => format!("{status} ({reason}) already"),
        _ => status.to_string(),
    };
    Problem::conflict(
        "order-has-ended",
        format!("The order is {how} and can no longer be cancelled."),
    )
}
