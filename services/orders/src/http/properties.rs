//! Whatever a client sends is understood, or refused by the name of what is wrong.

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use chrono::DateTime;
use contracts::ids::Sku;
use proptest::collection::vec;
use proptest::prelude::*;
use service_kit::http::Problem;

use super::dto::{PlaceLine, PlaceOrder};
use super::events::last_event_id;
use super::{IDEMPOTENCY_KEY, cursor, idempotency_key};

/// What a refusal names.
fn field<T>(outcome: Result<T, Problem>) -> Option<String> {
    outcome.err().map(|problem| problem.field().unwrap_or("nothing").to_owned())
}

fn headers(name: &'static str, values: Vec<HeaderValue>) -> HeaderMap {
    values.into_iter().map(|value| (HeaderName::from_static(name), value)).collect()
}

fn values() -> impl Strategy<Value = Vec<HeaderValue>> {
    let bytes = prop_oneof![vec(any::<u8>(), 0..300), "[0-9]{0,22}".prop_map(String::into_bytes)];
    vec(
        bytes.prop_filter_map("no header holds it", |bytes| HeaderValue::from_bytes(&bytes).ok()),
        0..3,
    )
}

fn orders() -> impl Strategy<Value = PlaceOrder> {
    let sku = "[A-Za-z0-9._-]{1,64}".prop_map(|text| text.parse::<Sku>().unwrap());
    let qty = prop_oneof![0..3_u32, 999..1002_u32, any::<u32>()];
    let line = (sku, qty).prop_map(|(sku, qty)| PlaceLine { sku, qty });
    let items = prop_oneof![4 => vec(line.clone(), 0..4), 1 => vec(line, 99..102)];
    let method = prop_oneof![any::<String>(), "[A-Za-z0-9_]{1,66}"];
    (items, prop::option::of(method))
        .prop_map(|(items, payment_method)| PlaceOrder { items, payment_method })
}

proptest! {
    #[test]
    fn any_key(values in values()) {
        let outcome = idempotency_key(&headers("idempotency-key", values.clone()));
        let visible = |value: &HeaderValue| value.as_bytes().iter().all(u8::is_ascii_graphic);
        let is_right = values.is_empty()
            || values.len() == 1 && visible(&values[0]) && (1..=255).contains(&values[0].len());
        prop_assert_eq!(field(outcome), (!is_right).then(|| IDEMPOTENCY_KEY.to_owned()));
    }

    #[test]
    fn any_last_event(values in values()) {
        let headers = headers("last-event-id", values);
        let known = |time: &DateTime<_>| time.timestamp_micros() >= 0;
        match last_event_id(&headers) {
            Ok(time) => prop_assert!(time.as_ref().is_none_or(known)),
            refused @ Err(_) => prop_assert_eq!(field(refused), Some("Last-Event-ID".to_owned())),
        }
    }

    #[test]
    fn any_cursor(text in "\\PC{0,40}|[0-9a-f]{32}") {
        if let Some(field) = field(cursor(&text)) {
            prop_assert_eq!(field, "cursor");
        }
    }

    #[test]
    fn any_order(order in orders()) {
        let named = field(order.validate());
        let right = |line: &PlaceLine| (1..=1000).contains(&line.qty);
        let expected = if order.items.is_empty() || order.items.len() > 100 {
            Some("items".to_owned())
        } else if let Some(at) = order.items.iter().position(|line| !right(line)) {
            Some(format!("items[{at}].qty"))
        } else {
            let is_right = |method: &String| {
                (1..=64).contains(&method.len())
                    && method.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
            };
            (!order.payment_method.as_ref().is_none_or(is_right)).then(|| "paymentMethod".to_owned())
        };
        prop_assert_eq!(named, expected);
    }
}
