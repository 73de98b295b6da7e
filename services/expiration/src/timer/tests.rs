use std::collections::BTreeSet;

use contracts::events::{
    CancelReason, Line, OrderCancelled, OrderCompleted, OrderCreated, OrderFailed,
    OrderFailureReason,
};
use contracts::ids::CustomerId;
use proptest::prelude::*;
use uuid::Uuid;

use super::*;

#[derive(Debug, Clone, Copy)]
enum What {
    Created,
    Completed,
    Failed,
    Cancelled,
}

fn order(number: u8) -> OrderId {
    OrderId::from_uuid(Uuid::from_u128(number.into()))
}

fn trace() -> TraceContext {
    TraceContext::new([1; 16], [2; 8])
}

fn event(number: u8, what: What) -> Event {
    let (order_id, trace_id, now) = (order(number), trace().trace_id, DateTime::UNIX_EPOCH);
    match what {
        What::Created => OrderCreated {
            order_id,
            customer_id: CustomerId::from_uuid(Uuid::nil()),
            items: vec![Line { sku: "MUG-01".parse().unwrap(), qty: 1 }],
            total: "1.00".parse().unwrap(),
            currency: "INR".parse().unwrap(),
            created_at: now,
            expires_at: now,
            payment_method: None,
            trace_id,
        }
        .into(),
        What::Completed => OrderCompleted {
            order_id,
            customer_id: None,
            version: None,
            total: None,
            currency: None,
            completed_at: None,
            trace_id,
        }
        .into(),
        What::Failed => OrderFailed {
            order_id,
            reason: OrderFailureReason::OutOfStock,
            customer_id: None,
            version: None,
            failed_at: None,
            trace_id,
        }
        .into(),
        What::Cancelled => OrderCancelled {
            order_id,
            customer_id: None,
            reason: CancelReason::Customer,
            version: None,
            cancelled_at: None,
            trace_id,
        }
        .into(),
    }
}

fn changes_of(events: &[(u8, What)]) -> BTreeMap<OrderId, Change> {
    let events: Vec<_> = events.iter().map(|(number, what)| event(*number, *what)).collect();
    changes(events.iter().map(|event| (event, trace())))
}

#[test]
fn an_open_order_gets_a_timer_for_its_own_time() {
    let set = Change::Set { fires_at: DateTime::UNIX_EPOCH, trace: trace() };
    assert_eq!(changes_of(&[(1, What::Created)]), BTreeMap::from([(order(1), set)]));
}

proptest! {
    #[test]
    fn whatever_the_order_of_events_exactly_the_open_ones_keep_a_timer(
        events in prop::collection::vec(
            (0..5_u8, prop::sample::select(vec![
                What::Created, What::Completed, What::Failed, What::Cancelled,
            ])),
            0..20,
        )
    ) {
        let ended: BTreeSet<_> =
            events.iter().filter(|(_, what)| !matches!(what, What::Created)).map(|e| e.0).collect();
        let all: BTreeSet<_> = events.iter().map(|e| e.0).collect();
        let changes = changes_of(&events);
        prop_assert_eq!(changes.len(), all.len());
        for number in all {
            let closed = changes[&order(number)] == Change::Close;
            prop_assert_eq!(closed, ended.contains(&number));
        }
    }
}
