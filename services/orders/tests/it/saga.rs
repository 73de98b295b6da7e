//! Orders on their way, whatever arrives, in whichever order, how often ever.

use contracts::events::Event;
use contracts::ids::OrderId;
use futures_util::future::join_all;
use reqwest::StatusCode;
use serde_json::{Value, json};
use service_kit::testing::TestCaller;
use sqlx::{Connection, PgConnection, Postgres, Transaction};
use test_support::Delivery;

use crate::running::{
    Orders, answer, authorized, declined, expired, out_of_stock, problem, reserved, until_blocked,
};

/// What happens to an order, one after the other.
#[derive(Clone, Copy)]
enum Step {
    Told(fn(&str) -> Delivery),
    Cancelled,
}

const RESERVED: Step = Step::Told(reserved);
const OUT_OF_STOCK: Step = Step::Told(out_of_stock);
const AUTHORIZED: Step = Step::Told(authorized);
const DECLINED: Step = Step::Told(declined);
const EXPIRED: Step = Step::Told(expired);
const CANCELLED: Step = Step::Cancelled;

/// The steps, the status and reason they must lead to, and what must be told.
type Case = (&'static [Step], &'static str, Option<&'static str>, &'static [&'static str]);

const CASES: &[Case] = &[
    (&[], "PENDING", None, &["OrderCreated"]),
    // The way it should go, and each half alone.
    (&[RESERVED], "PENDING", None, &["OrderCreated", "OrderUpdated"]),
    (&[AUTHORIZED], "PENDING", None, &["OrderCreated", "OrderUpdated"]),
    (
        &[RESERVED, AUTHORIZED],
        "COMPLETED",
        None,
        &["OrderCreated", "OrderUpdated", "OrderCompleted"],
    ),
    // Payment first.
    (
        &[AUTHORIZED, RESERVED],
        "COMPLETED",
        None,
        &["OrderCreated", "OrderUpdated", "OrderCompleted"],
    ),
    // Each failure, from each step.
    (&[OUT_OF_STOCK], "FAILED", Some("OUT_OF_STOCK"), &["OrderCreated", "OrderFailed"]),
    (&[DECLINED], "FAILED", Some("PAYMENT_FAILED"), &["OrderCreated", "OrderFailed"]),
    (
        &[AUTHORIZED, OUT_OF_STOCK],
        "FAILED",
        Some("OUT_OF_STOCK"),
        &["OrderCreated", "OrderUpdated", "OrderFailed"],
    ),
    (
        &[RESERVED, DECLINED],
        "FAILED",
        Some("PAYMENT_FAILED"),
        &["OrderCreated", "OrderUpdated", "OrderFailed"],
    ),
    // Given up: before the news of the reservation, after it, and between the two halves.
    (&[CANCELLED, RESERVED], "CANCELLED", Some("CUSTOMER"), &["OrderCreated", "OrderCancelled"]),
    (
        &[RESERVED, CANCELLED, AUTHORIZED],
        "CANCELLED",
        Some("CUSTOMER"),
        &["OrderCreated", "OrderUpdated", "OrderCancelled"],
    ),
    // The timer against the payment, either one first.
    (
        &[RESERVED, EXPIRED, AUTHORIZED],
        "CANCELLED",
        Some("EXPIRED"),
        &["OrderCreated", "OrderUpdated", "OrderCancelled"],
    ),
    (
        &[RESERVED, AUTHORIZED, EXPIRED],
        "COMPLETED",
        None,
        &["OrderCreated", "OrderUpdated", "OrderCompleted"],
    ),
    (
        &[EXPIRED, RESERVED, AUTHORIZED],
        "CANCELLED",
        Some("EXPIRED"),
        &["OrderCreated", "OrderCancelled"],
    ),
    // Everything else after each end.
    (
        &[RESERVED, AUTHORIZED, OUT_OF_STOCK, DECLINED, EXPIRED, RESERVED, AUTHORIZED],
        "COMPLETED",
        None,
        &["OrderCreated", "OrderUpdated", "OrderCompleted"],
    ),
    (
        &[OUT_OF_STOCK, RESERVED, AUTHORIZED, DECLINED, EXPIRED],
        "FAILED",
        Some("OUT_OF_STOCK"),
        &["OrderCreated", "OrderFailed"],
    ),
    (
        &[DECLINED, RESERVED, AUTHORIZED, OUT_OF_STOCK, EXPIRED],
        "FAILED",
        Some("PAYMENT_FAILED"),
        &["OrderCreated", "OrderFailed"],
    ),
    (
        &[CANCELLED, EXPIRED, RESERVED, AUTHORIZED, DECLINED],
        "CANCELLED",
        Some("CUSTOMER"),
        &["OrderCreated", "OrderCancelled"],
    ),
];

/// Every step is delivered twice under one id, as after a crash, and once more under another, as after
/// the inbox has forgotten it.
#[tokio::test]
async fn every_way_through_the_saga_ends_as_it_should_and_is_told_once() {
    let orders = Orders::start().await;
    let caller = TestCaller::customer().unwrap();
    let mut placed = Vec::new();
    for _ in CASES {
        placed.push(orders.place(&caller).await["id"].as_str().unwrap().to_owned());
    }
    for round in 0..CASES.iter().map(|case| case.0.len()).max().unwrap() {
        let mut deliveries = Vec::new();
        for (order, case) in placed.iter().zip(CASES) {
            match case.0.get(round) {
                Some(Step::Told(event)) => {
                    let delivery = event(order);
                    let again = Delivery::new(delivery.event.clone());
                    deliveries.extend([delivery.clone(), delivery, again]);
                }
                Some(Step::Cancelled) => {
                    let cancelled = orders.cancel(&caller, order).await;
                    assert_eq!(cancelled.status(), StatusCode::OK);
                }
                None => {}
            }
        }
        orders.deliver(&deliveries).await;
    }
    let told = orders.told().await;
    for (order, (steps, status, reason, names)) in placed.iter().zip(CASES) {
        let path = format!("/api/orders/{order}");
        let body = answer(orders.get(&caller, &path).await, StatusCode::OK).await;
        let case = format!("{} steps to {status}: {body}", steps.len());
        assert_eq!(body["status"], *status, "{case}");
        assert_eq!(body["reason"].as_str(), *reason, "{case}");
        assert_eq!(body["version"], names.len(), "{case}");
        let events: Vec<_> = told.iter().filter(|event| event.key() == *order).collect();
        let told: Vec<_> = events.iter().map(|event| event.event_type().name()).collect();
        assert_eq!(told, *names, "{case}");
        agree(&orders, &caller, order, &events).await;
    }
    orders.service.stop().await.unwrap();
}

/// What was told, the history and the order must be the same story.
async fn agree(orders: &Orders, caller: &TestCaller, order: &str, events: &[&Event]) {
    let path = format!("/api/orders/{order}/history");
    let history = answer(orders.get(caller, &path).await, StatusCode::OK).await;
    let entries = history["items"].as_array().unwrap();
    assert_eq!(entries.len(), events.len(), "{history}");
    for (entry, event) in entries.iter().zip(events) {
        let mut told: Value = serde_json::from_slice(&event.to_json()).unwrap();
        let version = told["version"].as_u64().unwrap_or(1);
        assert_eq!(entry["version"], version, "{history}");
        assert_eq!(entry["reason"], told["reason"].take(), "{history}");
        let times = ["createdAt", "updatedAt", "completedAt", "failedAt", "cancelledAt"];
        let at = times.iter().find_map(|name| told[name].as_str()).unwrap();
        assert_eq!(entry["at"], at, "{history}");
    }
}

#[tokio::test]
async fn the_history_tells_each_step_with_its_time_and_cause() {
    let orders = Orders::start().await;
    let caller = TestCaller::customer().unwrap();
    let order = orders.place(&caller).await;
    let id = order["id"].as_str().unwrap();
    orders.deliver(&[authorized(id)]).await;
    orders.deliver(&[reserved(id)]).await;
    let completed = orders.until_version(&caller, id, 3).await;

    let path = format!("/api/orders/{id}/history");
    let history = answer(orders.get(&caller, &path).await, StatusCode::OK).await;
    assert_eq!(history["orderId"], id);
    let told: Vec<_> = history["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|e| json!([e["version"], e["status"], e["step"], e["cause"]]))
        .collect();
    assert_eq!(
        json!(told),
        json!([
            [1, "PENDING", "CREATED", "OrderPlaced"],
            [2, "PENDING", "PAYMENT_AUTHORIZED", "PaymentAuthorized"],
            [3, "COMPLETED", "COMPLETED", "InventoryReserved"],
        ])
    );
    assert_eq!(history["items"][0]["at"], order["createdAt"]);
    assert_eq!(history["items"][2]["at"], completed["updatedAt"]);
    orders.service.stop().await.unwrap();
}

#[tokio::test]
async fn an_event_of_an_order_nobody_placed_is_set_aside_and_the_rest_goes_on() {
    let orders = Orders::start().await;
    let caller = TestCaller::customer().unwrap();
    let order = orders.place(&caller).await;
    let id = order["id"].as_str().unwrap();
    let stranger = OrderId::from_uuid(uuid::Uuid::now_v7()).to_string();
    orders.deliver(&[reserved(&stranger), reserved(id)]).await;
    orders.until_version(&caller, id, 2).await;
    let errors: Vec<Vec<String>> = sqlx::query_scalar("SELECT errors FROM dead_letters")
        .fetch_all(&orders.service.pool)
        .await
        .unwrap();
    let [errors] = errors.as_slice() else { panic!("{errors:?}") };
    assert!(errors.iter().any(|error| error.contains(&stranger)), "{errors:?}");
    orders.service.stop().await.unwrap();
}

/// Events, and what the order is called after them.
type Ending = (fn(&str) -> Vec<Delivery>, &'static str);

#[tokio::test]
async fn cancelling_twice_is_no_error_and_cancelling_an_ended_order_is() {
    let orders = Orders::start().await;
    let caller = TestCaller::customer().unwrap();
    let order = orders.place(&caller).await;
    let id = order["id"].as_str().unwrap();
    let first = answer(orders.cancel(&caller, id).await, StatusCode::OK).await;
    assert_eq!(
        json!([first["status"], first["reason"], first["version"]]),
        json!(["CANCELLED", "CUSTOMER", 2])
    );
    let second = answer(orders.cancel(&caller, id).await, StatusCode::OK).await;
    assert_eq!(second, first);

    let endings: [Ending; 3] = [
        (|id| vec![expired(id)], "CANCELLED (EXPIRED)"),
        (|id| vec![declined(id)], "FAILED"),
        (|id| vec![reserved(id), authorized(id)], "COMPLETED"),
    ];
    for (ending, named) in endings {
        let order = orders.place(&caller).await;
        let id = order["id"].as_str().unwrap();
        orders.deliver(&ending(id)).await;
        let response = orders.cancel(&caller, id).await;
        assert_eq!(response.status(), StatusCode::CONFLICT);
        let body = answer(response, StatusCode::CONFLICT).await;
        assert!(body["detail"].as_str().unwrap().contains(named), "{body}");
        assert_eq!(body["type"], "https://boutique.dev/problems/order-has-ended");
    }
    let unknown = OrderId::from_uuid(uuid::Uuid::now_v7()).to_string();
    problem(orders.cancel(&caller, &unknown).await, 404).await;
    orders.service.stop().await.unwrap();
}

/// Orders that are held until both their payment and their cancellation are at them: whichever comes
/// first, there is one end.
/// Locks orders until the transaction ends.
async fn hold<'c>(connection: &'c mut PgConnection, ids: &[String]) -> Transaction<'c, Postgres> {
    let ids: Vec<_> = ids.iter().map(|id| id.parse::<OrderId>().unwrap().as_uuid()).collect();
    let mut held = connection.begin().await.unwrap();
    let lock = sqlx::query("SELECT FROM orders.orders WHERE id = ANY($1) FOR UPDATE").bind(ids);
    lock.execute(&mut *held).await.unwrap();
    held
}

#[tokio::test]
async fn a_cancellation_that_races_the_last_step_leaves_one_end() {
    const RACES: usize = 6;
    let orders = Orders::start().await;
    let caller = TestCaller::customer().unwrap();
    let mut ids = Vec::new();
    for _ in 0..RACES {
        ids.push(orders.place(&caller).await["id"].as_str().unwrap().to_owned());
    }
    orders.deliver(&ids.iter().map(|id| reserved(id)).collect::<Vec<_>>()).await;
    let payments: Vec<_> = ids.iter().map(|id| authorized(id)).collect();

    // The batch of payments locks orders by their ids, so whichever has the first waits there with no other.
    let (first, others) = (&ids[..1], &ids[1..]);
    let (mut one, mut another) = (orders.env.superuser().await, orders.env.superuser().await);
    let held_first = hold(&mut one, first).await;
    let held_others = hold(&mut another, others).await;
    let paying = orders.deliver(&payments);
    let cancelling = async {
        until_blocked(&orders, 1).await;
        let cancelling_others = async {
            let release = async {
                // The payments and every cancellation.
                until_blocked(&orders, RACES + 1).await;
                held_others.rollback().await.unwrap();
            };
            let (responses, ()) =
                tokio::join!(join_all(others.iter().map(|id| orders.cancel(&caller, id))), release);
            held_first.rollback().await.unwrap();
            responses
        };
        let (of_first, of_others) =
            tokio::join!(orders.cancel(&caller, &first[0]), cancelling_others);
        std::iter::once(of_first).chain(of_others)
    };
    let ((), responses) = tokio::join!(paying, cancelling);

    let told = orders.told().await;
    let mut cancelled = 0;
    for (id, response) in ids.iter().zip(responses) {
        let ends: Vec<_> = told
            .iter()
            .filter(|event| event.key() == *id)
            .filter(|event| !matches!(event, Event::OrderCreated(_) | Event::OrderUpdated(_)))
            .map(|event| event.event_type().name())
            .collect();
        match response.status() {
            StatusCode::OK => {
                assert_eq!(ends, ["OrderCancelled"]);
                cancelled += 1;
            }
            StatusCode::CONFLICT => assert_eq!(ends, ["OrderCompleted"]),
            other => panic!("{other}"),
        }
    }
    assert!((1..RACES).contains(&cancelled), "{cancelled} of {RACES} were cancelled");
    orders.service.stop().await.unwrap();
}
