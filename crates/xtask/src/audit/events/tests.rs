use std::collections::BTreeSet;

use serde_json::{Value, json};
use test_support::Delivery;

use super::*;
use crate::audit::example::{customer, event, events, kept, order_id};
use crate::audit::kept::Change;

/// What is compared, and something else that it could be.
fn others() -> Vec<(&'static str, Value)> {
    vec![
        ("orderId", json!(order_id(99))),
        ("customerId", json!("cust_01k2pmez20eegr3cp3tkjzc1rr")),
        ("userId", json!("cust_01k2pmez20eegr3cp3tkjzc1rr")),
        ("email", json!("eve@example.org")),
        ("role", json!("admin")),
        ("keyId", json!("other")),
        ("publicKey", json!("BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBA")),
        ("sku", json!("CUP")),
        ("version", json!(77)),
        ("name", json!("A cup")),
        ("price", json!(1)),
        ("currency", json!("USD")),
        ("onHand", json!(7)),
        ("reserved", json!(1)),
        ("available", json!(1)),
        ("items", json!([{"sku": "MUG", "qty": 3}])),
        ("reservations", json!([{"sku": "MUG", "qty": 3}])),
        ("total", json!(11)),
        ("amount", json!(11)),
        ("paymentMethod", json!("other")),
        ("paymentId", json!("pay_01k2pmez20eegr3cp3tkjzc1rr")),
        ("status", json!("COMPLETED")),
        ("step", json!("PAYMENT_AUTHORIZED")),
        ("reason", json!("EXPIRED")),
        ("createdAt", json!("1970-01-01T00:00:00Z")),
        ("expiresAt", json!("1970-01-01T00:00:00Z")),
        ("updatedAt", json!("1970-01-01T00:00:00Z")),
        ("completedAt", json!("1970-01-01T00:00:00Z")),
        ("failedAt", json!("1970-01-01T00:00:00Z")),
        ("cancelledAt", json!("1970-01-01T00:00:00Z")),
        ("expiredAt", json!("1970-01-01T00:00:00Z")),
    ]
}

/// Of which field the like is not kept, or only for the last version.
fn is_compared(event: &Event, field: &str) -> bool {
    use EventType::{
        InventoryReservationFailed, OrderCancelled, ProductCreated, ProductDiscontinued,
        ProductUpdated,
    };
    match event.event_type() {
        ProductCreated => !["createdAt", "name", "price", "currency"].contains(&field),
        ProductUpdated | ProductDiscontinued if event.key() == "OLD" => {
            ["sku", "version"].contains(&field)
        }
        ProductUpdated => field != "updatedAt",
        InventoryReservationFailed => !["reason", "sku"].contains(&field),
        // Of the others another reason is tried by a test of its own.
        event => field != "reason" || event == OrderCancelled,
    }
}

const KEY_ENDS: (EventType, &str) = (EventType::SigningKeyPublished, "expiresAt");

fn record(delivery: &Delivery) -> Record {
    let new = delivery.published();
    let (partition, offset) = (0, 0);
    Record {
        topic: new.topic,
        partition,
        offset,
        time: None,
        key: new.key,
        headers: new.headers,
        payload: new.payload,
    }
}

fn found(kept: &Kept, deliveries: &[Delivery]) -> Vec<(Breach, usize)> {
    found_in(kept, &deliveries.iter().map(record).collect::<Vec<_>>())
}

fn found_in(kept: &Kept, records: &[Record]) -> Vec<(Breach, usize)> {
    let mut events = Events::new(kept);
    for record in records {
        events.take(record);
    }
    events.violations().iter().map(|violation| (violation.breach, violation.count)).collect()
}

fn all() -> Vec<Delivery> {
    events().into_iter().map(Delivery::new).collect()
}

#[test]
fn what_fits_is_no_violation_however_often_it_comes() {
    let all = all();
    let types: BTreeSet<_> = all.iter().map(|delivery| delivery.event.event_type()).collect();
    assert_eq!(types.len(), EventType::ALL.len(), "an example of each type: {types:?}");
    assert_eq!(found(&kept(), &all), []);
    assert_eq!(found(&kept(), &[all.clone(), all].concat()), []);
}

#[test]
fn each_event_that_is_missing_is_found() {
    for missing in 0..all().len() {
        let mut all = all();
        let missing = all.remove(missing);
        assert_eq!(found(&kept(), &all), [(Breach::EventMissing, 1)], "{missing:?}");
    }
}

#[test]
fn each_event_that_is_told_under_a_second_id_is_found() {
    for twice in all() {
        let again = [all(), vec![twice.clone()]].concat();
        let found = found(&kept(), &again);
        assert!(found.contains(&(Breach::EventWrong, 1)), "{twice:?}: {found:?}");
    }
}

#[test]
fn each_field_that_is_not_so_is_found() {
    let mut compared = BTreeSet::new();
    for (changed, delivery) in all().iter().enumerate() {
        let body: Value = serde_json::from_slice(&delivery.event.to_json()).unwrap();
        for (field, other) in others() {
            if body.get(field).is_none() || !is_compared(&delivery.event, field) {
                continue;
            }
            let mut body = body.clone();
            if body[field] == other {
                continue;
            }
            body[field] = other;
            let mut all = all();
            all[changed] = Delivery::new(event(delivery.event.event_type(), body));
            let found = found(&kept(), &all);
            let wrong = found.iter().any(|(breach, _)| *breach == Breach::EventWrong);
            let missing = found.iter().any(|(breach, _)| *breach == Breach::EventMissing);
            // A key may have been published with another end before.
            let wrong = wrong || (delivery.event.event_type(), field) == KEY_ENDS;
            assert!(wrong && missing, "{field} of {:?}: {found:?}", delivery.event);
            compared.insert(field);
        }
    }
    assert_eq!(compared.len(), others().len(), "each field occurs");
}

#[test]
fn a_reason_that_is_not_so_is_found() {
    for (event_type, reason) in
        [(EventType::OrderFailed, "PAYMENT_FAILED"), (EventType::PaymentFailed, "NO_MONEY")]
    {
        let mut all = all();
        let told = all.iter_mut().find(|told| told.event.event_type() == event_type).unwrap();
        let mut body: Value = serde_json::from_slice(&told.event.to_json()).unwrap();
        body["reason"] = json!(reason);
        *told = Delivery::new(event(event_type, body));
        assert_eq!(found(&kept(), &all), [(Breach::EventMissing, 1), (Breach::EventWrong, 1)]);
    }
}

#[test]
fn what_may_be_told_may_be_told_once() {
    let key = |end: &str| {
        let body = json!({"keyId": "key", "algorithm": "EdDSA", "publicKey": crate::audit::example::KEY,
            "notBefore": end, "expiresAt": end, "publishedAt": end});
        event(EventType::SigningKeyPublished, body)
    };
    let authorized = {
        let payment = kept().payments[&order_id(5)].id;
        let body =
            json!({"orderId": order_id(5), "amount": 10, "currency": "INR", "paymentId": payment});
        event(EventType::PaymentAuthorized, body)
    };
    let late = json!({"orderId": order_id(4), "expiredAt": "2030-01-01T00:00:00Z"});
    for extra in
        [key("2030-01-01T00:00:00Z"), authorized, event(EventType::ExpirationCompleted, late)]
    {
        let once = [all(), vec![Delivery::new(extra.clone())]].concat();
        assert_eq!(found(&kept(), &once), [], "{extra:?}");
        let twice = [once, vec![Delivery::new(extra.clone())]].concat();
        assert_eq!(found(&kept(), &twice), [(Breach::EventWrong, 1)], "{extra:?}");
    }
}

#[test]
fn what_leads_on_must_have_been_told() {
    let all = all();
    let mut kept = kept();
    let of = |event_type, order: u128| {
        let key = order_id(order).to_string();
        let told = all
            .iter()
            .find(|told| told.event.event_type() == event_type && told.event.key() == key);
        Some(told.unwrap().id)
    };
    let mut cause = |id| {
        let Change { event_id, .. } = &mut kept.orders.get_mut(&order_id(1)).unwrap().history[1];
        *event_id = id;
        found(&kept, &all)
    };
    assert_eq!(cause(of(EventType::InventoryReserved, 1)), []);
    assert_eq!(
        cause(of(EventType::InventoryReserved, 3)),
        [(Breach::EventMissing, 1)],
        "another order's"
    );
    assert_eq!(
        cause(of(EventType::PaymentAuthorized, 1)),
        [(Breach::EventMissing, 1)],
        "another cause"
    );
    assert_eq!(cause(Some(Uuid::now_v7())), [(Breach::EventMissing, 1)]);
}

#[test]
fn events_of_one_key_come_in_their_order() {
    let mut all = all();
    let of =
        |event_type| all.iter().position(|told| told.event.event_type() == event_type).unwrap();
    let (created, updated) = (of(EventType::OrderCreated), of(EventType::OrderUpdated));
    all.swap(created, updated);
    assert_eq!(found(&kept(), &all), [(Breach::EventWrong, 1)]);
}

#[test]
fn an_id_that_tells_two_things_is_found() {
    let mut all = all();
    all[1].id = all[0].id;
    let found = found(&kept(), &all);
    assert_eq!(found, [(Breach::EventMissing, 1), (Breach::EventWrong, 1)]);
}

#[test]
fn records_that_are_no_events_are_found() {
    let sound = record(&Delivery::new(event(
        EventType::OrderCompleted,
        json!({"orderId": order_id(1), "customerId": customer()}),
    )));
    let header = |name: &str, value: &str| {
        let mut headers = sound.headers.clone();
        let found = headers.iter_mut().find(|(header, _)| header == name);
        found.unwrap().1 = value.into();
        Record { headers, ..sound.clone() }
    };
    for broken in [
        Record { payload: None, ..sound.clone() },
        Record { payload: Some(b"{}".into()), ..sound.clone() },
        Record { headers: Vec::new(), ..sound.clone() },
        Record { key: Some(b"other".into()), ..sound.clone() },
        Record { topic: "orders.v1".into(), ..sound.clone() },
        header("ce_source", "/boutique/payments"),
        header("ce_subject", "other"),
        header("correlationId", "other"),
    ] {
        let records: Vec<_> = all().iter().map(record).chain([broken.clone()]).collect();
        assert_eq!(found_in(&kept(), &records), [(Breach::EventWrong, 1)], "{broken:?}");
    }
}
