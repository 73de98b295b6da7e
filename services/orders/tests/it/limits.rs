//! How much one customer may ask for.

use orders::Config;
use reqwest::{Method, Response, StatusCode};
use serde_json::json;
use service_kit::testing::TestCaller;
use test_support::eventually;

use crate::running::{Orders, PATIENCE, answer, config, problem};

async fn place(orders: &Orders, caller: &TestCaller, key: &str) -> Response {
    let request = orders.request(Method::POST, "/api/orders").bearer_auth(&caller.token);
    let body = json!({"items": [{"sku": "MUG", "qty": 1}]});
    request.header("idempotency-key", key).json(&body).send().await.unwrap()
}

#[tokio::test]
async fn who_places_too_many_orders_waits_and_nobody_else_does() {
    let orders = Orders::with(Config { orders_per_customer: 30, ..config() }).await;
    let (caller, other) = (TestCaller::customer().unwrap(), TestCaller::customer().unwrap());
    let first = answer(place(&orders, &caller, "0").await, StatusCode::ACCEPTED).await;
    // A token comes back every two seconds, so a slow machine may place a few more.
    let mut placed = 1;
    let refused = loop {
        let response = place(&orders, &caller, &placed.to_string()).await;
        if response.status() != StatusCode::ACCEPTED {
            break response;
        }
        placed += 1;
        assert!(placed < 300, "there is no limit");
    };
    assert!(placed >= 30, "{placed}");
    let wait: u32 = refused.headers()["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1..=2).contains(&wait), "{wait}");
    assert_eq!(problem(refused, 429).await, (String::new(), "too-many-orders".to_owned()));

    answer(place(&orders, &other, "0").await, StatusCode::ACCEPTED).await;
    let page = answer(orders.get(&caller, "/api/orders?limit=1").await, StatusCode::OK).await;
    assert_eq!(page["items"].as_array().unwrap().len(), 1, "reading goes on");

    // A repeat waits as well, and then gets the answer of the first time.
    let repeated = eventually(PATIENCE, async || {
        let response = place(&orders, &caller, "0").await;
        (response.status() == StatusCode::ACCEPTED).then_some(response)
    })
    .await;
    assert_eq!(repeated.headers()["idempotency-replayed"], "true");
    assert_eq!(answer(repeated, StatusCode::ACCEPTED).await, first);
    orders.service.stop().await.unwrap();
}

#[tokio::test]
async fn an_order_that_is_refused_for_its_form_does_not_count() {
    let orders = Orders::with(Config { orders_per_customer: 1, ..config() }).await;
    let caller = TestCaller::customer().unwrap();
    for _ in 0..5 {
        let body = json!({"items": []});
        let refused = orders.post(&caller, "/api/orders", &body).await;
        assert_eq!(problem(refused, 422).await.0, "items");
    }
    orders.place(&caller).await;
    assert_eq!(problem(place(&orders, &caller, "k").await, 429).await.1, "too-many-orders");
    orders.service.stop().await.unwrap();
}

#[tokio::test]
async fn a_customer_has_so_many_streams_and_gets_another_for_one_that_ends() {
    let orders = Orders::with(Config { streams_per_customer: 2, ..config() }).await;
    let caller = TestCaller::customer().unwrap();
    let path = "/api/orders/events";
    let mut open = vec![orders.get(&caller, path).await, orders.get(&caller, path).await];
    let refused = orders.get(&caller, path).await;
    assert_eq!(refused.headers()["retry-after"], "10");
    assert_eq!(problem(refused, 429).await.1, "too-many-streams");
    let other = TestCaller::customer().unwrap();
    assert_eq!(orders.get(&other, path).await.status(), StatusCode::OK);
    open.pop();
    eventually(PATIENCE, async || {
        let response = orders.get(&caller, path).await;
        (response.status() == StatusCode::OK).then_some(())
    })
    .await;
    orders.service.stop().await.unwrap();
}
