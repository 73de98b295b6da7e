//! Placing orders: what is accepted, what is refused, and what is left behind.

use contracts::events::Event;
use futures_util::future::join_all;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use service_kit::testing::TestCaller;
use sqlx::Connection;
use test_support::eventually;

use crate::running::{Orders, PATIENCE, answer, problem, product, until_blocked};

#[tokio::test]
async fn an_order_is_accepted_at_the_catalogues_prices_and_told() {
    let orders = Orders::start().await;
    let caller = TestCaller::customer().unwrap();
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    let response = orders
        .request(Method::POST, "/api/orders")
        .bearer_auth(&caller.token)
        .header("traceparent", format!("00-{trace}-00f067aa0ba902b7-01"))
        .json(&json!({
            "items": [{"sku": "MUG", "qty": 2}, {"sku": "CAP", "qty": 1}, {"sku": "MUG", "qty": 1}],
            "paymentMethod": "pm_card_ok"
        }))
        .send()
        .await
        .unwrap();
    let location = response.headers()["location"].to_str().unwrap().to_owned();
    assert!(!response.headers().contains_key("idempotency-replayed"));
    assert_eq!(response.status(), StatusCode::ACCEPTED);
    let text = response.text().await.unwrap();
    // Digits of the currency, not of a float.
    assert!(text.contains("\"total\":2249.50,\"currency\":\"INR\""), "{text}");
    assert!(text.contains("{\"sku\":\"CAP\",\"qty\":1,\"price\":1.00}"), "{text}");
    let order: Value = serde_json::from_str(&text).unwrap();
    let id = order["id"].as_str().unwrap();
    assert_eq!(location, format!("/api/orders/{id}"));
    assert_eq!(order["customerId"], caller.customer.to_string());
    assert_eq!(order["paymentMethod"], "pm_card_ok");
    assert_eq!(
        json!([order["status"], order["step"], order["version"], order["reason"]]),
        json!(["PENDING", "CREATED", 1, null])
    );
    assert_eq!(order["items"].as_array().unwrap().len(), 3, "lines are kept as they were given");
    let found = answer(orders.get(&caller, &location).await, StatusCode::OK).await;
    assert_eq!(found, order);

    let told = orders.told().await;
    let [Event::OrderCreated(created)] = told.as_slice() else { panic!("{told:?}") };
    assert_eq!((created.order_id.to_string(), created.customer_id), (id.into(), caller.customer));
    assert_eq!(created.total.to_string(), "2249.50");
    assert_eq!(created.payment_method.as_deref(), Some("pm_card_ok"));
    assert_eq!(created.trace_id.to_string(), trace);
    assert_eq!((created.expires_at - created.created_at).num_seconds(), 900);
    let lines: Vec<_> = created.items.iter().map(|l| (l.sku.as_str(), l.qty)).collect();
    assert_eq!(lines, [("MUG", 2), ("CAP", 1), ("MUG", 1)]);
    orders.service.stop().await.unwrap();
}

fn one(sku: &str, qty: impl Into<Value>) -> Value {
    json!({"items": [{"sku": sku, "qty": qty.into()}]})
}

#[tokio::test]
async fn every_wrong_field_is_named() {
    let orders = Orders::start().await;
    orders.env.publish(product("HUGE", "92233720368547758.07", "INR", 1)).await;
    orders.until_known(&["HUGE"]).await;
    let caller = TestCaller::customer().unwrap();
    let lines = |n: usize| json!({"items": vec![json!({"sku": "CAP", "qty": 1}); n]});
    let paying =
        |method: Value| json!({"items": [{"sku": "CAP", "qty": 1}], "paymentMethod": method});
    let cases = [
        (json!({}), "items"),
        (json!({"items": []}), "items"),
        (json!({"items": null}), "items"),
        (json!({"items": {}}), "items"),
        (lines(101), "items"),
        (json!([]), "items"),
        (json!({"items": [null]}), "items[0]"),
        (json!({"items": [{"sku": "CAP"}]}), "items[0].qty"),
        (json!({"items": [{"qty": 1}]}), "items[0].sku"),
        (one("CAP", 0), "items[0].qty"),
        (one("CAP", -1), "items[0].qty"),
        (one("CAP", 1001), "items[0].qty"),
        (one("CAP", 4_294_967_296_i64), "items[0].qty"),
        (one("CAP", 1.5), "items[0].qty"),
        (one("CAP", "1"), "items[0].qty"),
        (one("", 1), "items[0].sku"),
        (one("no spaces", 1), "items[0].sku"),
        (one("CAP\u{0}", 1), "items[0].sku"),
        (one(&"S".repeat(65), 1), "items[0].sku"),
        (one("NOBODY-SELLS-IT", 1), "items[0].sku"),
        (
            json!({"items": [{"sku": "CAP", "qty": 1}, {"sku": "NOBODY-SELLS-IT", "qty": 1}]}),
            "items[1].sku",
        ),
        (json!({"items": [{"sku": "CAP", "qty": 1}, {"sku": "YEN", "qty": 1}]}), "items[1].sku"),
        (one("HUGE", 2), "items[0].qty"),
        (json!({"items": [{"sku": "CAP", "qty": 1, "price": 0.01}]}), "items[0].price"),
        (json!({"items": [{"sku": "CAP", "qty": 1}], "total": 0.01}), "total"),
        (json!({"items": [{"sku": "CAP", "qty": 1}], "currency": "INR"}), "currency"),
        (json!({"items": [{"sku": "CAP", "qty": 1}], "customerId": "cust_x"}), "customerId"),
        (paying(json!("")), "paymentMethod"),
        (paying(json!("pm card")), "paymentMethod"),
        (paying(json!("pm_ä")), "paymentMethod"),
        (paying(json!("p".repeat(65))), "paymentMethod"),
        (paying(json!(7)), "paymentMethod"),
    ];
    for (body, field) in cases {
        let expected = if body.is_array() { "body" } else { field };
        let (named, kind) = problem(orders.post(&caller, "/api/orders", &body).await, 422).await;
        assert_eq!((named.as_str(), kind.as_str()), (expected, "invalid-field"), "{body}");
    }
    for accepted in [lines(100), one("CAP", 1000), one("HUGE", 1), paying(json!(null))] {
        let response = orders.post(&caller, "/api/orders", &accepted).await;
        assert_eq!(response.status(), StatusCode::ACCEPTED, "{accepted}");
    }
    orders.service.stop().await.unwrap();
}

#[tokio::test]
async fn a_body_that_is_no_order_is_a_problem() {
    let orders = Orders::start().await;
    let caller = TestCaller::customer().unwrap();
    let send = async |content_type: &str, body: Vec<u8>| {
        let request = orders.request(Method::POST, "/api/orders").bearer_auth(&caller.token);
        let request = request.header("content-type", content_type).body(body);
        let response = request.send().await.unwrap();
        let status = response.status().as_u16();
        (status, problem(response, status).await.1)
    };
    let good = br#"{"items":[{"sku":"CAP","qty":1}]}"#.to_vec();
    for (content_type, body, expected) in [
        ("text/plain", good.clone(), (415, "unsupported-media-type")),
        ("application/x-www-form-urlencoded", good.clone(), (415, "unsupported-media-type")),
        ("application/json", b"{\"items\":[".to_vec(), (400, "malformed-json")),
        ("application/json", Vec::new(), (400, "malformed-json")),
        ("application/json", b"{\"items\":\"\xff\"}".to_vec(), (400, "malformed-json")),
        ("application/json", [&good[..], b"x"].concat(), (400, "malformed-json")),
        ("application/json", vec![b' '; 70_000], (413, "body-too-large")),
    ] {
        let (status, kind) = send(content_type, body).await;
        assert_eq!((status, kind.as_str()), expected, "{content_type}");
    }
    orders.service.stop().await.unwrap();
}

/// While one transaction is held up, others gather and share the next one; what is wrong with one of
/// them does not touch the rest.
#[tokio::test]
async fn requests_that_wait_share_a_transaction_and_fail_alone() {
    const WAITING: usize = 60;
    let orders = Orders::start().await;
    let caller = TestCaller::customer().unwrap();
    let mut superuser = orders.env.superuser().await;
    let mut held = superuser.begin().await.unwrap();
    sqlx::query("LOCK TABLE orders.orders IN ACCESS EXCLUSIVE MODE")
        .execute(&mut *held)
        .await
        .unwrap();
    let send = async |body: Value| orders.post(&caller, "/api/orders", &body).await;
    let first = send(one("CAP", 1));
    let rest = join_all((1..=WAITING).map(|n| match n % 3 {
        0 => send(one("NOBODY-SELLS-IT", 1)),
        _ => send(one("CAP", u32::try_from(n).unwrap())),
    }));
    let release = async {
        until_blocked(&orders, 1).await;
        // The rest are sent meanwhile; a test has one thread, so whoever gets an answer in between has
        // given the others their turn.
        for _ in 0..50 {
            orders.http.get(format!("{}/healthz", orders.service.url)).send().await.unwrap();
        }
        held.rollback().await.unwrap();
    };
    let (first, rest, ()) = tokio::join!(first, rest, release);
    assert_eq!(first.status(), StatusCode::ACCEPTED);
    for (n, response) in (1..=WAITING).zip(rest) {
        if n % 3 == 0 {
            assert_eq!(problem(response, 422).await.0, "items[0].sku");
        } else {
            let order = answer(response, StatusCode::ACCEPTED).await;
            assert_eq!(order["items"][0]["qty"], n, "each is answered with its own order");
        }
    }
    let (placed, transactions): (i64, i64) =
        sqlx::query_as("SELECT count(*), count(DISTINCT xmin::text) FROM orders")
            .fetch_one(&orders.service.pool)
            .await
            .unwrap();
    assert_eq!(placed, 41);
    assert!(transactions < 10, "{transactions} transactions for {placed} orders");
    orders.service.stop().await.unwrap();
}

#[tokio::test]
async fn a_transaction_that_breaks_is_503_and_leaves_nothing_behind() {
    let orders = Orders::start().await;
    let caller = TestCaller::customer().unwrap();
    let mut superuser = orders.env.superuser().await;
    let mut held = superuser.begin().await.unwrap();
    sqlx::query("LOCK TABLE orders.order_history IN ACCESS EXCLUSIVE MODE")
        .execute(&mut *held)
        .await
        .unwrap();
    let send = || {
        let request = orders.request(Method::POST, "/api/orders").bearer_auth(&caller.token);
        request.header("idempotency-key", "once").json(&one("CAP", 1)).send()
    };
    let break_it = async {
        eventually(PATIENCE, async || {
            let mut other = orders.env.superuser().await;
            let broken: i64 = sqlx::query_scalar(
                "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
                 WHERE datname = current_database() AND wait_event_type = 'Lock'",
            )
            .fetch_one(&mut other)
            .await
            .unwrap();
            (broken > 0).then_some(())
        })
        .await;
        held.rollback().await.unwrap();
    };
    let (response, ()) = tokio::join!(send(), break_it);
    let response = response.unwrap();
    assert_eq!(response.headers()["retry-after"], "1");
    assert_eq!(problem(response, 503).await.1, "unavailable");
    let left: i64 = sqlx::query_scalar(
        "SELECT (SELECT count(*) FROM orders) + (SELECT count(*) FROM order_history)
              + (SELECT count(*) FROM idempotency_keys) + (SELECT coalesce(sum(records), 0) FROM outbox)",
    )
    .fetch_one(&orders.service.pool)
    .await
    .unwrap();
    assert_eq!(left, 0);
    let again = send().await.unwrap();
    assert!(!again.headers().contains_key("idempotency-replayed"));
    answer(again, StatusCode::ACCEPTED).await;
    orders.service.stop().await.unwrap();
}

#[tokio::test]
async fn a_replica_that_starts_while_the_brokers_are_away_is_ready_and_takes_orders() {
    let orders = Orders::start().await;
    let replica = orders.replica_without_brokers().await;
    let ready = orders.http.get(format!("{}/readyz", replica.url)).send().await.unwrap();
    assert_eq!(ready.status(), StatusCode::OK, "{}", ready.text().await.unwrap());
    let placed = orders
        .http
        .post(format!("{}/api/orders", replica.url))
        .bearer_auth(TestCaller::customer().unwrap().token)
        .json(&json!({"items": [{"sku": "MUG", "qty": 1}]}))
        .send();
    answer(placed.await.unwrap(), StatusCode::ACCEPTED).await;
}
