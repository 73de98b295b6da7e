//! Whatever decodes also prints, and comes back the same.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use contracts::{
    events::{Event, EventType, Line, OrderCreated, PaymentFailed, PaymentFailureReason},
    ids::{CustomerId, OrderId, PaymentId},
    money::{Currency, Money},
    trace::TraceId,
};
use proptest::{option, prelude::*, sample::select};
use uuid::Uuid;

use crate::{golden::full, validation::refused};

fn comes_back(event: &Event) {
    let json = event.to_json();
    assert!(json.starts_with(format!(r#"{{"type":"{}","#, event.event_type()).as_bytes()));
    assert_eq!(Event::decode(event.event_type(), &json).as_ref(), Ok(event));
}

fn is_valid(event: &Event) {
    let body = serde_json::from_slice(&event.to_json()).unwrap();
    assert_eq!(refused(event.event_type(), &body), BTreeSet::new(), "{body}");
}

fn time() -> impl Strategy<Value = DateTime<Utc>> {
    // The years of four digits, to the microsecond as Postgres keeps them.
    (0..253_402_300_800_000_000_i64).prop_map(|t| DateTime::from_timestamp_micros(t).unwrap())
}

fn line() -> impl Strategy<Value = Line> {
    ("[A-Za-z0-9._-]{1,64}", 1_u32..).prop_map(|(sku, qty)| Line { sku: sku.parse().unwrap(), qty })
}

prop_compose! {
    fn order_created()(
        (order, customer, trace) in any::<(u128, u128, [u8; 16])>(),
        items in prop::collection::vec(line(), 1..5),
        minor in 0_i64..,
        code in select(vec!["INR", "JPY", "KWD"]),
        (created_at, expires_at) in (time(), time()),
        payment_method in option::of(any::<String>()),
    ) -> Event {
        let currency: Currency = code.parse().unwrap();
        OrderCreated {
            order_id: OrderId::from_uuid(Uuid::from_u128(order)),
            customer_id: CustomerId::from_uuid(Uuid::from_u128(customer)),
            items,
            total: Money { minor, currency }.amount(),
            currency,
            created_at,
            expires_at,
            payment_method,
            trace_id: TraceId::from_bytes(trace),
        }
        .into()
    }
}

prop_compose! {
    fn payment_failed()(
        (order, trace, reason) in any::<(u128, [u8; 16], String)>(),
        payment in option::of(any::<u128>()),
        failed_at in option::of(time()),
    ) -> Event {
        PaymentFailed {
            order_id: OrderId::from_uuid(Uuid::from_u128(order)),
            reason: reason.as_str().into(),
            payment_id: payment.map(|bits| PaymentId::from_uuid(Uuid::from_u128(bits))),
            failed_at,
            trace_id: TraceId::from_bytes(trace),
        }
        .into()
    }
}

proptest! {
    #[test]
    fn orders_and_failures_come_back(order in order_created(), failure in payment_failed()) {
        for event in [order, failure] {
            comes_back(&event);
            is_valid(&event);
        }
    }

    /// Damaged bodies are decoded or refused, without a panic.
    #[test]
    fn a_damaged_body_is_refused_or_comes_back(
        event_type in select(EventType::ALL),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let mut json = full(event_type).into_bytes();
        for (index, byte) in damage {
            let index = index.index(json.len());
            json[index] = byte;
        }
        if let Ok(event) = Event::decode(event_type, &json) {
            comes_back(&event);
        }
    }

    #[test]
    fn any_bytes_are_refused_without_a_panic(
        event_type in select(EventType::ALL),
        bytes in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        prop_assert!(Event::decode(event_type, &bytes).is_err());
    }
}

#[test]
fn a_reason_of_tomorrow_survives() {
    let known = PaymentFailureReason::from("CARD_DECLINED");
    assert_eq!(known, PaymentFailureReason::CardDeclined);
    let other = PaymentFailureReason::from("INSUFFICIENT_FUNDS");
    assert!(matches!(other, PaymentFailureReason::Other(_)));
    assert_eq!(other.as_str(), "INSUFFICIENT_FUNDS");
}
