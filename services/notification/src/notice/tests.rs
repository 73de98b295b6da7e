use chrono::{DateTime, Utc};
use contracts::events::{Line, OrderCancelled, OrderCompleted, OrderFailed, UserRegistered};
use contracts::money::{Currency, Money};
use contracts::trace::TraceId;
use proptest::prelude::*;
use uuid::Uuid;

use super::*;

fn trace_id() -> TraceId {
    TraceId::from_bytes([1; 16])
}

fn order() -> OrderId {
    "ord_01h455vb4pex5vsknk084sn02q".parse().unwrap()
}

fn customer() -> CustomerId {
    "cust_01h455vb4pex5vsknk084sn02r".parse().unwrap()
}

fn created(payment_method: Option<&str>) -> Event {
    Event::from(OrderCreated {
        order_id: order(),
        customer_id: customer(),
        items: vec![Line { sku: "MUG".parse().unwrap(), qty: 2 }],
        total: "1499.00".parse().unwrap(),
        currency: Currency::INR,
        created_at: DateTime::UNIX_EPOCH,
        expires_at: "2025-08-05T10:45:00Z".parse().unwrap(),
        payment_method: payment_method.map(str::to_owned),
        trace_id: trace_id(),
    })
}

fn completed(total: Option<Money>, customer_id: Option<CustomerId>) -> Event {
    Event::from(OrderCompleted {
        order_id: order(),
        customer_id,
        version: Some(4),
        total: total.map(Money::amount),
        currency: total.map(|total| total.currency),
        completed_at: None,
        trace_id: trace_id(),
    })
}

fn failed(reason: OrderFailureReason) -> Event {
    Event::from(OrderFailed {
        order_id: order(),
        reason,
        customer_id: None,
        version: None,
        failed_at: None,
        trace_id: trace_id(),
    })
}

fn cancelled(reason: CancelReason) -> Event {
    Event::from(OrderCancelled {
        order_id: order(),
        customer_id: Some(customer()),
        reason,
        version: None,
        cancelled_at: None,
        trace_id: trace_id(),
    })
}

#[track_caller]
fn tells(event: &Event, kind: Kind, words: &[&str]) {
    let notice = of(event).unwrap();
    assert_eq!((notice.kind, notice.order), (kind, order()));
    for word in words {
        assert!(notice.body.contains(word), "{word:?} is not in {}", notice.body);
    }
}

#[test]
fn a_customer_is_told_how_the_order_fares() {
    let paid = ["received", "INR 1499.00", "reserved and paid"];
    tells(&created(Some("pm_card_ok")), Kind::Received, &paid);
    tells(&created(None), Kind::Received, &["Please pay until 5 August 2025, 10:45 UTC"]);
    let total = Money { minor: 149_900, currency: Currency::INR };
    let charged = ["complete", "INR 1499.00 has been charged"];
    tells(&completed(Some(total), Some(customer())), Kind::Completed, &charged);
    tells(
        &failed(OrderFailureReason::OutOfStock),
        Kind::Failed,
        &["out of stock", "not been charged"],
    );
    tells(
        &failed(OrderFailureReason::PaymentFailed),
        Kind::Failed,
        &["payment did not go through"],
    );
    tells(&cancelled(CancelReason::Customer), Kind::Cancelled, &["cancelled, as you wished"]);
    tells(&cancelled(CancelReason::Expired), Kind::Expired, &["expired", "not paid in time"]);
}

#[test]
fn what_is_not_told_is_left_out() {
    let notice = of(&completed(None, None)).unwrap();
    assert_eq!(notice.customer, None);
    assert!(!notice.body.contains("charged"), "{}", notice.body);
}

#[test]
fn other_events_are_nothing_to_write_about() {
    let user = UserRegistered {
        user_id: customer(),
        email: "asha@example.org".parse().unwrap(),
        role: contracts::events::Role::Customer,
        registered_at: DateTime::UNIX_EPOCH,
        trace_id: trace_id(),
    };
    assert_eq!(of(&Event::from(user)), None);
}

#[test]
fn names_are_those_of_the_wire() {
    let kinds = [Kind::Received, Kind::Completed, Kind::Failed, Kind::Cancelled, Kind::Expired];
    let names = ["RECEIVED", "COMPLETED", "FAILED", "CANCELLED", "EXPIRED"];
    assert!(kinds.map(Kind::as_str).iter().eq(&names.map(|name| format!("ORDER_{name}"))));
}

fn event() -> impl Strategy<Value = Event> {
    let money = (any::<i64>(), prop::sample::select(vec!["INR", "JPY", "KWD"]))
        .prop_map(|(minor, code)| Money { minor, currency: code.parse().unwrap() });
    let ids = (any::<u128>(), any::<u128>(), any::<bool>());
    let seconds = -60_000_000_000_i64..250_000_000_000;
    (0..7, ids, money, seconds).prop_map(|(which, (order, customer, known), money, seconds)| {
        let order_id = OrderId::from_uuid(Uuid::from_u128(order));
        let customer = CustomerId::from_uuid(Uuid::from_u128(customer));
        let time: DateTime<Utc> = DateTime::from_timestamp(seconds, 0).unwrap();
        let mut event = match which {
            0 => created(None),
            1 => created(Some("pm_card_ok")),
            2 => completed(known.then_some(money), None),
            3 => failed(OrderFailureReason::OutOfStock),
            4 => failed(OrderFailureReason::PaymentFailed),
            5 => cancelled(CancelReason::Customer),
            _ => cancelled(CancelReason::Expired),
        };
        let known = known.then_some(customer);
        match &mut event {
            Event::OrderCreated(e) => {
                (e.order_id, e.customer_id, e.expires_at) = (order_id, customer, time);
                (e.total, e.currency) = (money.amount(), money.currency);
            }
            Event::OrderCompleted(e) => (e.order_id, e.customer_id) = (order_id, known),
            Event::OrderFailed(e) => (e.order_id, e.customer_id) = (order_id, known),
            Event::OrderCancelled(e) => (e.order_id, e.customer_id) = (order_id, known),
            _ => unreachable!(),
        }
        event
    })
}

proptest! {
    /// Whatever an order's event says, what comes of it is a letter that mail servers take as it is,
    /// about that order, to that customer, and the same each time.
    #[test]
    fn every_order_event_makes_a_letter(event in event()) {
        let notice = of(&event).unwrap();
        prop_assert_eq!(notice.order.to_string(), event.key());
        let id = event.key();
        prop_assert!(notice.subject.contains(&id) && notice.body.contains(&id));
        prop_assert!(notice.subject.bytes().all(|b| (b' '..=b'~').contains(&b)));
        prop_assert!(notice.body.bytes().all(|b| (b' '..=b'~').contains(&b) || b == b'\n'));
        prop_assert!(notice.body.lines().all(|line| line.len() <= 76), "{}", notice.body);
        let customer = match &event {
            Event::OrderCreated(e) => Some(e.customer_id),
            Event::OrderCompleted(e) => e.customer_id,
            Event::OrderFailed(e) => e.customer_id,
            Event::OrderCancelled(e) => e.customer_id,
            _ => None,
        };
        prop_assert_eq!(notice.customer, customer);
        prop_assert_eq!(of(&event), Some(notice));
    }
}
