//! A small world in which everything adds up, to be spoilt by tests.

use chrono::{DateTime, Utc};
use contracts::events::{Event, EventType};
use contracts::ids::{CustomerId, OrderId, PaymentId};
use contracts::money::{Currency, Money};
use serde_json::{Value, json};
use uuid::Uuid;

use super::kept::{
    Change, Kept, Notification, Order, Payment, Product, Reservation, SigningKey, Stock, User,
};

pub(crate) const KEY: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
pub(crate) const EMAIL: &str = "ada@example.org";

/// The steps behind the first of each order, with their reasons and causes; its reservation and its payment.
type Course = (
    &'static [(&'static str, Option<&'static str>, &'static str)],
    (&'static str, bool),
    &'static str,
);

const RESERVED: (&str, Option<&str>, &str) = ("INVENTORY_RESERVED", None, "InventoryReserved");

const COURSES: [Course; 6] = [
    (&[RESERVED, ("COMPLETED", None, "PaymentAuthorized")], ("DEDUCTED", true), "CAPTURED"),
    (
        &[("FAILED", Some("OUT_OF_STOCK"), "InventoryReservationFailed")],
        ("REJECTED", false),
        "CANCELLED",
    ),
    (
        &[RESERVED, ("FAILED", Some("PAYMENT_FAILED"), "PaymentFailed")],
        ("RELEASED", true),
        "FAILED",
    ),
    (&[("CANCELLED", Some("CUSTOMER"), "CustomerCancelled")], ("RELEASED", false), "CANCELLED"),
    (
        &[RESERVED, ("CANCELLED", Some("EXPIRED"), "ExpirationCompleted")],
        ("RELEASED", true),
        "VOIDED",
    ),
    (
        &[RESERVED, ("CANCELLED", Some("CUSTOMER"), "CustomerCancelled")],
        ("RELEASED", true),
        "REFUNDED",
    ),
];

pub(crate) fn order_id(number: u128) -> OrderId {
    OrderId::from_uuid(Uuid::from_u128(number))
}

pub(crate) fn customer() -> CustomerId {
    CustomerId::from_uuid(Uuid::from_u128(0xada))
}

fn payment_id(number: u128) -> PaymentId {
    PaymentId::from_uuid(Uuid::from_u128(number))
}

fn at(second: u32) -> DateTime<Utc> {
    DateTime::from_timestamp(second.into(), 0).unwrap()
}

/// What is kept.
pub(crate) fn kept() -> Kept {
    let rupees = |minor| Money { minor, currency: Currency::INR };
    let mut kept = Kept::default();
    let user = User { id: customer().as_uuid(), email: EMAIL.into(), role: "customer".into() };
    kept.users.insert(customer(), user);
    let key = SigningKey { key_id: "key".into(), public_key: KEY.into(), expires_at: at(9000) };
    kept.signing_keys.insert("key".into(), key);
    for (sku, version, is_discontinued) in [("MUG", 2, false), ("OLD", 3, true)] {
        let product =
            Product { name: "A mug".into(), price: rupees(500), version, is_discontinued };
        kept.products.insert(sku.parse().unwrap(), product);
    }
    let stock = Stock { on_hand: 8, reserved: 0, version: 3 };
    kept.stock.insert("MUG".parse().unwrap(), stock);
    for (number, (steps, (reservation, held), payment)) in (1..).zip(COURSES) {
        let id = order_id(number);
        let first = ("CREATED", None, "OrderPlaced");
        let change =
            |(version, (step, reason, cause)): (u32, &(&str, Option<&str>, &str))| Change {
                order_id: id.as_uuid(),
                version,
                step: (*step).into(),
                reason: reason.map(Into::into),
                cause: (*cause).into(),
                event_id: None,
                recorded_at: at(version),
            };
        let order = Order {
            customer: customer(),
            status: steps[steps.len() - 1].0.into(),
            lines: serde_json::from_value(json!([{"sku": "MUG", "qty": 2}])).unwrap(),
            total: rupees(1000),
            payment_method: Some("pm".into()),
            created_at: at(1),
            expires_at: at(100),
            history: (1..).zip([first].iter().chain(steps)).map(change).collect(),
        };
        kept.orders.insert(id, order);
        kept.keys.insert((customer(), format!("key {number}")), id);
        let lines = [("MUG".parse().unwrap(), 2)].into_iter().filter(|_| held).collect();
        kept.reservations.insert(id, Reservation { status: reservation.into(), lines });
        let reference = Some(format!("pm/{}:authorize", payment_id(number)));
        let payment = Payment {
            id: payment_id(number),
            state: payment.into(),
            amount: Some(rupees(1000)),
            reference: reference.filter(|_| ["CAPTURED", "VOIDED", "REFUNDED"].contains(&payment)),
            failure: (payment == "FAILED").then(|| "CARD_DECLINED".into()),
        };
        kept.payments.insert(id, payment);
        for (kind, offset) in [("ORDER_RECEIVED", 100), ("ORDER_END", 200)] {
            let subject = format!("Your order {id}: {kind}");
            let (id, order_id) = (Uuid::from_u128(number + offset), id.as_uuid());
            let (customer_id, kind) = (Some(customer().as_uuid()), kind.into());
            let notification = Notification { id, order_id, customer_id, kind, subject };
            kept.notifications.insert(id, notification);
        }
    }
    kept
}

/// The events that lead there, each of which must have been told.
pub(crate) fn events() -> Vec<Event> {
    let events = [of_shop(), of_orders()].concat();
    events.into_iter().map(|(event_type, body)| event(event_type, body)).collect()
}

fn with(base: &Value, more: Value) -> Value {
    let mut merged = base.clone();
    let Value::Object(more) = more else { panic!("no object: {more}") };
    merged.as_object_mut().unwrap().extend(more);
    merged
}

fn of_shop() -> Vec<(EventType, Value)> {
    let mug = json!({"sku": "MUG", "name": "A mug", "price": 5, "currency": "INR"});
    let level = |version: u32, on_hand: u32, reserved: u32| {
        json!({"sku": "MUG", "onHand": on_hand, "reserved": reserved, "available": on_hand - reserved,
               "version": version, "changedAt": at(0)})
    };
    vec![
        (
            EventType::UserRegistered,
            json!({"userId": customer(), "email": EMAIL, "role": "customer", "registeredAt": at(0)}),
        ),
        (
            EventType::SigningKeyPublished,
            json!({"keyId": "key", "algorithm": "EdDSA", "publicKey": KEY, "notBefore": at(0),
                   "expiresAt": at(9000), "publishedAt": at(0)}),
        ),
        (
            EventType::ProductCreated,
            with(&mug, json!({"price": 4, "version": 1, "createdAt": at(0)})),
        ),
        (EventType::ProductUpdated, with(&mug, json!({"version": 2, "updatedAt": at(0)}))),
        (
            EventType::ProductCreated,
            with(&mug, json!({"sku": "OLD", "version": 1, "createdAt": at(0)})),
        ),
        (
            EventType::ProductUpdated,
            with(&mug, json!({"sku": "OLD", "version": 2, "updatedAt": at(0)})),
        ),
        (
            EventType::ProductDiscontinued,
            json!({"sku": "OLD", "version": 3, "discontinuedAt": at(0)}),
        ),
        (EventType::StockChanged, level(1, 10, 0)),
        (EventType::StockChanged, level(2, 10, 2)),
        (EventType::StockChanged, level(3, 8, 0)),
    ]
}

fn of_orders() -> Vec<(EventType, Value)> {
    let mut events = Vec::new();
    for (number, (steps, (reservation, held), payment)) in (1..).zip(COURSES) {
        let of = json!({"orderId": order_id(number)});
        let lines = json!([{"sku": "MUG", "qty": 2}]);
        let mut tell = |event, more| events.push((event, with(&of, more)));
        tell(
            EventType::OrderCreated,
            json!({"customerId": customer(), "items": lines, "total": 10, "currency": "INR",
                   "createdAt": at(1), "expiresAt": at(100), "paymentMethod": "pm"}),
        );
        for (version, (step, reason, _)) in (2..).zip(steps) {
            let change = json!({"customerId": customer(), "version": version});
            let (event, more) = match *step {
                "COMPLETED" => (
                    EventType::OrderCompleted,
                    json!({"total": 10, "currency": "INR", "completedAt": at(version)}),
                ),
                "FAILED" => {
                    (EventType::OrderFailed, json!({"reason": reason, "failedAt": at(version)}))
                }
                "CANCELLED" => (
                    EventType::OrderCancelled,
                    json!({"reason": reason, "cancelledAt": at(version)}),
                ),
                step => (
                    EventType::OrderUpdated,
                    json!({"status": "PENDING", "step": step, "updatedAt": at(version)}),
                ),
            };
            tell(event, with(&change, more));
        }
        if held {
            tell(EventType::InventoryReserved, json!({"reservations": lines, "reservedAt": at(2)}));
        }
        match reservation {
            "REJECTED" => {
                tell(EventType::InventoryReservationFailed, json!({"reason": "OUT_OF_STOCK"}));
            }
            "RELEASED" if held => {
                tell(
                    EventType::InventoryReleased,
                    json!({"reservations": lines, "releasedAt": at(3)}),
                );
            }
            _ => {}
        }
        let paid = json!({"amount": 10, "currency": "INR", "paymentId": payment_id(number)});
        match payment {
            "CAPTURED" => {
                tell(EventType::PaymentAuthorized, paid.clone());
                tell(EventType::PaymentCaptured, with(&paid, json!({"capturedAt": at(3)})));
            }
            "VOIDED" => tell(EventType::PaymentVoided, with(&paid, json!({"voidedAt": at(3)}))),
            "REFUNDED" => {
                tell(EventType::PaymentAuthorized, paid.clone());
                tell(EventType::PaymentCaptured, with(&paid, json!({"capturedAt": at(3)})));
                tell(EventType::PaymentRefunded, with(&paid, json!({"refundedAt": at(4)})));
            }
            "FAILED" => tell(
                EventType::PaymentFailed,
                json!({"reason": "CARD_DECLINED", "paymentId": payment_id(number)}),
            ),
            _ => {}
        }
        if steps.iter().any(|(.., cause)| *cause == "ExpirationCompleted") {
            tell(EventType::ExpirationCompleted, json!({"expiredAt": at(101)}));
        }
    }
    events
}

/// An event with that body.
pub(crate) fn event(event_type: EventType, mut body: Value) -> Event {
    body["type"] = json!(event_type.name());
    body["traceId"] = json!("0af7651916cd43dd8448eb211c80319c");
    Event::decode(event_type, body.to_string().as_bytes()).unwrap_or_else(|e| panic!("{body}: {e}"))
}
