//! Requests that are sent again.

use std::collections::HashSet;

use futures_util::future::join_all;
use reqwest::{Method, Response, StatusCode};
use serde_json::{Value, json};
use service_kit::testing::TestCaller;
use sqlx::Connection;

use crate::running::{Orders, PATIENCE, answer, problem, until_blocked};

const BODY: &str = r#"{"items":[{"sku":"MUG","qty":1}],"paymentMethod":"pm_card_ok"}"#;

async fn send_to(
    orders: &Orders,
    url: &str,
    caller: &TestCaller,
    key: &str,
    body: &str,
) -> Response {
    orders
        .http
        .post(format!("{url}/api/orders"))
        .timeout(PATIENCE)
        .bearer_auth(&caller.token)
        .header("idempotency-key", key)
        .header("content-type", "application/json")
        .body(body.to_owned())
        .send()
        .await
        .unwrap()
}

async fn send(orders: &Orders, caller: &TestCaller, key: &str, body: &str) -> Response {
    send_to(orders, &orders.service.url, caller, key, body).await
}

fn is_replay(response: &Response) -> bool {
    response.headers().get("idempotency-replayed").is_some_and(|value| value == "true")
}

async fn orders_of(orders: &Orders, caller: &TestCaller) -> usize {
    let page = answer(orders.get(caller, "/api/orders").await, StatusCode::OK).await;
    page["items"].as_array().unwrap().len()
}

#[tokio::test]
async fn fifty_requests_at_once_with_one_key_place_one_order() {
    let orders = Orders::start().await;
    let caller = TestCaller::customer().unwrap();
    let responses = join_all((0..50).map(|_| send(&orders, &caller, "k", BODY))).await;
    assert_eq!(responses.iter().filter(|response| !is_replay(response)).count(), 1);
    let mut answers = HashSet::new();
    for response in responses {
        assert_eq!(response.status(), StatusCode::ACCEPTED);
        let location = response.headers()["location"].to_str().unwrap().to_owned();
        answers.insert((location, response.text().await.unwrap()));
    }
    assert_eq!(answers.len(), 1, "{answers:?}");
    assert_eq!(orders_of(&orders, &caller).await, 1);
    orders.service.stop().await.unwrap();
}

#[tokio::test]
async fn fifty_requests_at_once_to_two_replicas_place_one_order() {
    let orders = Orders::start().await;
    let replica = orders.replica().await;
    let caller = TestCaller::customer().unwrap();
    let urls = [&orders.service.url, &replica.url];
    let sending = (0..50).map(|n| send_to(&orders, urls[n % 2], &caller, "k", BODY));
    let (mut ids, mut first) = (HashSet::new(), 0);
    for response in join_all(sending).await {
        if response.status() == StatusCode::CONFLICT {
            assert_eq!(problem(response, 409).await.1, "idempotency-key-in-flight");
            continue;
        }
        first += usize::from(!is_replay(&response));
        ids.insert(answer(response, StatusCode::ACCEPTED).await["id"].to_string());
    }
    assert_eq!((ids.len(), first), (1, 1));
    assert_eq!(orders_of(&orders, &caller).await, 1);
    replica.stop().await.unwrap();
    orders.service.stop().await.unwrap();
}

#[tokio::test]
async fn one_key_gets_one_answer_whatever_becomes_of_the_order() {
    let orders = Orders::start().await;
    let caller = TestCaller::customer().unwrap();
    let first = send(&orders, &caller, "k", BODY).await;
    assert!(!is_replay(&first));
    let first = first.text().await.unwrap();
    let id = serde_json::from_str::<Value>(&first).unwrap()["id"].as_str().unwrap().to_owned();
    assert_eq!(orders.cancel(&caller, &id).await.status(), StatusCode::OK);

    // Written in another way, the request is the same.
    let same = r#" {"paymentMethod": "pm_card_ok", "items": [{"qty": 1, "sku": "MUG"}]} "#;
    for body in [BODY, same] {
        let again = send(&orders, &caller, "k", body).await;
        assert!(is_replay(&again));
        assert_eq!(again.headers()["location"], format!("/api/orders/{id}"));
        assert_eq!(
            (again.status(), again.text().await.unwrap()),
            (StatusCode::ACCEPTED, first.clone())
        );
    }

    for other in [
        r#"{"items":[{"sku":"MUG","qty":2}],"paymentMethod":"pm_card_ok"}"#,
        r#"{"items":[{"sku":"MUG","qty":1}]}"#,
        r#"{"items":[{"sku":"CAP","qty":1}],"paymentMethod":"pm_card_ok"}"#,
    ] {
        let (field, kind) = problem(send(&orders, &caller, "k", other).await, 422).await;
        assert_eq!((field.as_str(), kind.as_str()), ("Idempotency-Key", "idempotency-key-reused"));
    }
    assert_eq!(orders_of(&orders, &caller).await, 1);
    orders.service.stop().await.unwrap();
}

#[tokio::test]
async fn a_key_is_one_customers_and_a_refused_request_leaves_it_unused() {
    let orders = Orders::start().await;
    let (one, two) = (TestCaller::customer().unwrap(), TestCaller::customer().unwrap());
    let unknown = r#"{"items":[{"sku":"NOBODY-SELLS-IT","qty":1}]}"#;
    problem(send(&orders, &one, "k", unknown).await, 422).await;
    problem(send(&orders, &one, "k", r#"{"items":[]}"#).await, 422).await;
    let mut ids = HashSet::new();
    for caller in [&one, &two] {
        let response = send(&orders, caller, "k", BODY).await;
        assert!(!is_replay(&response));
        let order = answer(response, StatusCode::ACCEPTED).await;
        assert_eq!(order["customerId"], caller.customer.to_string());
        ids.insert(order["id"].to_string());
    }
    assert_eq!(ids.len(), 2);
    orders.service.stop().await.unwrap();
}

#[tokio::test]
async fn of_different_requests_at_once_with_one_key_one_is_placed() {
    let orders = Orders::start().await;
    let caller = TestCaller::customer().unwrap();
    let bodies: Vec<_> =
        (1..=20).map(|qty| json!({"items": [{"sku": "CAP", "qty": qty}]}).to_string()).collect();
    let sending = bodies.iter().map(|body| send(&orders, &caller, "k", body));
    let statuses: Vec<_> = join_all(sending).await.iter().map(Response::status).collect();
    let count = |status| statuses.iter().filter(|other| **other == status).count();
    assert_eq!(count(StatusCode::ACCEPTED), 1);
    assert_eq!(count(StatusCode::UNPROCESSABLE_ENTITY), 19);
    assert_eq!(orders_of(&orders, &caller).await, 1);
    orders.service.stop().await.unwrap();
}

#[tokio::test]
async fn a_key_in_flight_at_another_replica_is_409_and_then_answered() {
    let orders = Orders::start().await;
    let replica = orders.replica().await;
    let caller = TestCaller::customer().unwrap();
    let mut superuser = orders.env.superuser().await;
    let mut held = superuser.begin().await.unwrap();
    sqlx::query("LOCK TABLE orders.orders IN ACCESS EXCLUSIVE MODE")
        .execute(&mut *held)
        .await
        .unwrap();
    let meanwhile = async {
        until_blocked(&orders, 1).await;
        let response = send_to(&orders, &replica.url, &caller, "k", BODY).await;
        assert_eq!(response.headers()["retry-after"], "1");
        let (field, kind) = problem(response, 409).await;
        assert_eq!(
            (field.as_str(), kind.as_str()),
            ("Idempotency-Key", "idempotency-key-in-flight")
        );
        held.rollback().await.unwrap();
    };
    let (first, ()) = tokio::join!(send(&orders, &caller, "k", BODY), meanwhile);
    let first = answer(first, StatusCode::ACCEPTED).await;
    let later = send_to(&orders, &replica.url, &caller, "k", BODY).await;
    assert!(is_replay(&later));
    assert_eq!(answer(later, StatusCode::ACCEPTED).await, first);
    replica.stop().await.unwrap();
    orders.service.stop().await.unwrap();
}

#[tokio::test]
async fn a_key_that_is_none_is_refused() {
    let orders = Orders::start().await;
    let caller = TestCaller::customer().unwrap();
    let request = || {
        let request = orders.request(Method::POST, "/api/orders").bearer_auth(&caller.token);
        request.header("content-type", "application/json").body(BODY)
    };
    let long = "k".repeat(256);
    let name = "idempotency-key";
    for refused in [
        request().header(name, ""),
        request().header(name, "two words"),
        request().header(name, "ä"),
        request().header(name, &long),
        request().header(name, "a").header(name, "b"),
    ] {
        let (field, kind) = problem(refused.send().await.unwrap(), 400).await;
        assert_eq!((field.as_str(), kind.as_str()), ("Idempotency-Key", "invalid-parameter"));
    }
    let longest = request().header(name, &long[1..]).send().await.unwrap();
    assert_eq!(longest.status(), StatusCode::ACCEPTED);
    assert_eq!(orders_of(&orders, &caller).await, 1);
    orders.service.stop().await.unwrap();
}
