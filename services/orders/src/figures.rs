//! What operators are told of orders, once it is committed.

use std::time::Duration;

use contracts::events::{CancelReason, OrderFailureReason, OrderStatus};
use messaging::Tx;
use uuid::Uuid;

use crate::order::{Order, State};

/// Names every count before there is anything to count: the first would not be seen as an increase.
pub fn begin() {
    metrics::counter!("orders_placed_total").increment(0);
    metrics::counter!("order_streams_too_slow_total").increment(0);
    for end in ENDS {
        let labels = [("outcome", end.step().as_str()), ("reason", reason(end))];
        metrics::counter!("orders_ended_total", &labels).increment(0);
    }
}

/// So many orders are placed by this transaction.
pub fn placed(tx: &mut Tx, orders: usize) {
    tx.after_commit(move || {
        metrics::counter!("orders_placed_total").increment(orders as u64);
    });
}

/// Which of the changes this transaction makes end an order, and how.
pub fn changed<'o>(tx: &mut Tx, orders: impl Iterator<Item = &'o Order>) {
    let ended: Vec<Order> =
        orders.filter(|order| order.state.status() != OrderStatus::Pending).copied().collect();
    if ended.is_empty() {
        return;
    }
    tx.after_commit(move || {
        for order in ended {
            let outcome = order.state.step().as_str();
            let labels = [("outcome", outcome), ("reason", reason(order.state))];
            metrics::counter!("orders_ended_total", &labels).increment(1);
            if let Some(duration) = duration(&order) {
                metrics::histogram!("saga_duration_seconds", "outcome" => outcome).record(duration);
            }
        }
    });
}

/// How orders end.
const ENDS: [State; 5] = [
    State::Completed,
    State::Failed(OrderFailureReason::OutOfStock),
    State::Failed(OrderFailureReason::PaymentFailed),
    State::Cancelled(CancelReason::Customer),
    State::Cancelled(CancelReason::Expired),
];

/// The label is not left out where there is no reason: its series would not add up with the others.
fn reason(end: State) -> &'static str {
    end.reason().unwrap_or("NONE")
}

/// From when it was placed, which its id tells in milliseconds, to when it ended. `None` for an id that was
/// not made here, and where the clock that made it is ahead.
fn duration(order: &Order) -> Option<Duration> {
    let (seconds, nanos) = Uuid::get_timestamp(&order.id.as_uuid())?.to_unix();
    let placed = Duration::new(seconds, nanos);
    let ended = Duration::from_millis(order.updated_at.timestamp_millis().try_into().ok()?);
    ended.checked_sub(placed)
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use contracts::ids::{CustomerId, OrderId};
    use contracts::money::Money;
    use uuid::Timestamp;

    use super::*;

    #[test]
    fn a_saga_lasts_from_its_orders_id_to_its_last_change() {
        let order = |id, millis| {
            let customer = CustomerId::from_uuid(Uuid::nil());
            let money = Money { minor: 1, currency: "EUR".parse().unwrap() };
            let now = DateTime::from_timestamp_millis(millis).unwrap();
            Order::placed(OrderId::from_uuid(id), customer, money, now)
        };
        let id = Uuid::new_v7(Timestamp::from_unix_time(1_755_253_800, 250_000_000, 0, 0));
        let after = |millis| duration(&order(id, millis));
        assert_eq!(after(1_755_253_801_000), Some(Duration::from_millis(750)));
        assert_eq!(after(1_755_253_800_000), None);
        assert_eq!(duration(&order(Uuid::nil(), 1_755_253_800_000)), None);
    }
}
