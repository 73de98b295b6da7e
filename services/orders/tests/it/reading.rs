//! Lists of orders.

use std::collections::HashSet;

use reqwest::StatusCode;
use serde_json::Value;
use service_kit::testing::TestCaller;

use crate::running::{Orders, answer, problem};

async fn page(orders: &Orders, caller: &TestCaller, query: &str) -> (Vec<String>, Option<String>) {
    let response = orders.get(caller, &format!("/api/orders{query}")).await;
    let page = answer(response, StatusCode::OK).await;
    let id = |order: &Value| order["id"].as_str().unwrap().to_owned();
    let ids = page["items"].as_array().unwrap().iter().map(id).collect();
    (ids, page["nextCursor"].as_str().map(str::to_owned))
}

#[tokio::test]
async fn pages_lead_through_all_orders_the_newest_first() {
    let orders = Orders::start().await;
    let (caller, other) = (TestCaller::customer().unwrap(), TestCaller::customer().unwrap());
    assert_eq!(page(&orders, &caller, "").await, (Vec::new(), None));
    let mut placed = Vec::new();
    for _ in 0..25 {
        placed.push(orders.place(&caller).await["id"].as_str().unwrap().to_owned());
        orders.place(&other).await;
    }
    placed.reverse();

    let (first, next) = page(&orders, &caller, "").await;
    assert_eq!(first, placed[..20]);
    let (second, last) = page(&orders, &caller, &format!("?cursor={}", next.unwrap())).await;
    assert_eq!((&second[..], last), (&placed[20..], None));

    for limit in [1, 4, 5, 24, 25, 100] {
        let (mut seen, mut cursor) = (Vec::new(), String::new());
        loop {
            let (ids, next) = page(&orders, &caller, &format!("?limit={limit}{cursor}")).await;
            assert!(!ids.is_empty() && ids.len() <= limit, "an empty page for {limit}");
            seen.extend(ids);
            let Some(next) = next else { break };
            cursor = format!("&cursor={next}");
        }
        assert_eq!(seen, placed, "by {limit}");
    }

    // An order placed meanwhile is on no later page.
    let (_, next) = page(&orders, &caller, "?limit=10").await;
    orders.place(&caller).await;
    let (ids, _) = page(&orders, &caller, &format!("?limit=100&cursor={}", next.unwrap())).await;
    assert_eq!(ids, placed[10..]);
    orders.service.stop().await.unwrap();
}

#[tokio::test]
async fn a_status_selects() {
    let orders = Orders::start().await;
    let caller = TestCaller::customer().unwrap();
    let (mut open, mut cancelled) = (HashSet::new(), HashSet::new());
    for n in 0..10 {
        let id = orders.place(&caller).await["id"].as_str().unwrap().to_owned();
        if n % 3 == 0 {
            assert_eq!(orders.cancel(&caller, &id).await.status(), StatusCode::OK);
            cancelled.insert(id);
        } else {
            open.insert(id);
        }
    }
    for (status, expected) in
        [("PENDING", open), ("CANCELLED", cancelled), ("FAILED", HashSet::new())]
    {
        let (mut seen, mut cursor) = (HashSet::new(), String::new());
        loop {
            let query = format!("?status={status}&limit=3{cursor}");
            let (ids, next) = page(&orders, &caller, &query).await;
            seen.extend(ids);
            let Some(next) = next else { break };
            cursor = format!("&cursor={next}");
        }
        assert_eq!(seen, expected, "{status}");
    }
    orders.service.stop().await.unwrap();
}

#[tokio::test]
async fn a_wrong_parameter_is_named() {
    let orders = Orders::start().await;
    let caller = TestCaller::customer().unwrap();
    for (query, parameter) in [
        ("?limit=0", "limit"),
        ("?limit=101", "limit"),
        ("?limit=-1", "limit"),
        ("?limit=ten", "limit"),
        ("?limit=99999999999999999999", "limit"),
        ("?limit=", "limit"),
        ("?status=DONE", "status"),
        ("?status=pending", "status"),
        ("?cursor=", "cursor"),
        ("?cursor=abc", "cursor"),
        ("?cursor=%00", "cursor"),
        ("?cursor=ord_01h455vb4pex5vsknk084sn02q", "cursor"),
    ] {
        let response = orders.get(&caller, &format!("/api/orders{query}")).await;
        let (field, kind) = problem(response, 400).await;
        assert_eq!((field.as_str(), kind.as_str()), (parameter, "invalid-parameter"), "{query}");
    }
    orders.service.stop().await.unwrap();
}
