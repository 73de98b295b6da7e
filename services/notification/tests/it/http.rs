//! To each their own notifications.

use serde_json::Value;
use service_kit::testing::{TestCaller, TestSigner};
use test_support::{Delivery, eventually};

use crate::office::{Office, PATIENCE};
use crate::orders::{completed, created, new_order};

#[track_caller]
fn assert_problem(status: u16, body: &Value, slug: &str, field: Option<&str>) {
    assert_eq!(body["status"], status, "{body}");
    assert_eq!(body["type"], format!("https://boutique.dev/problems/{slug}"), "{body}");
    assert_eq!(body.get("field").and_then(Value::as_str), field, "{body}");
}

#[tokio::test]
async fn everybody_sees_their_own_alone_admins_too() {
    let office = Office::with_folder().await;
    let asha = office.registered("asha@example.org").await;
    let ravi = office.registered("ravi@example.org").await;
    let admin = TestCaller::admin().unwrap();
    let (hers, his) = (new_order(), new_order());
    let events = [
        created(hers, asha.customer),
        created(his, ravi.customer),
        completed(his, Some(ravi.customer)),
    ];
    office.env.deliver(&events.map(Delivery::new)).await;
    office.until(&asha, &[("ORDER_RECEIVED", "SENT")]).await;
    office.until(&ravi, &[("ORDER_COMPLETED", "SENT"), ("ORDER_RECEIVED", "SENT")]).await;
    let item = &office.notifications(&asha).await[0];
    let mut names: Vec<_> = item.as_object().unwrap().keys().map(String::as_str).collect();
    names.sort_unstable();
    let expected = ["createdAt", "id", "kind", "orderId", "sentAt", "status", "subject"];
    assert_eq!(names, expected);
    assert_eq!(item["orderId"], hers.to_string());
    assert!(
        office.notifications(&ravi).await.iter().all(|item| item["orderId"] == his.to_string())
    );
    assert_eq!(office.notifications(&admin).await, [""; 0]);
}

#[tokio::test]
async fn pages_follow_each_other_newest_first() {
    let office = Office::with_folder().await;
    let asha = office.registered("asha@example.org").await;
    let orders = [(); 25].map(|()| new_order());
    // Batches of several notifications share their time, and still have an order.
    for orders in orders.chunks(10) {
        let batch: Vec<_> =
            orders.iter().map(|&order| Delivery::new(created(order, asha.customer))).collect();
        office.env.deliver(&batch).await;
        eventually(PATIENCE, async || {
            let shown = office.notifications(&asha).await;
            orders
                .iter()
                .all(|order| shown.iter().any(|item| item["orderId"] == order.to_string()))
                .then_some(())
        })
        .await;
    }
    let all: Vec<_> =
        office.notifications(&asha).await.iter().map(|item| item["id"].to_string()).collect();
    assert_eq!(all.len(), 25);
    let times = office.notifications(&asha).await;
    assert!(times.is_sorted_by(|a, b| a["createdAt"].as_str() >= b["createdAt"].as_str()));

    for (limit, pages) in [("", 2), ("limit=7", 4), ("limit=25", 1), ("limit=1", 25)] {
        let mut seen = Vec::new();
        let (mut query, mut count) = (format!("?{limit}"), 0);
        loop {
            let page: Value = office.get(&query, &asha.token).await.json().await.unwrap();
            seen.extend(
                page["items"].as_array().unwrap().iter().map(|item| item["id"].to_string()),
            );
            count += 1;
            let Some(cursor) = page["nextCursor"].as_str() else { break };
            query = format!("?{limit}&cursor={cursor}");
        }
        assert_eq!((&seen, count), (&all, pages), "{limit}");
    }
}

#[tokio::test]
async fn a_bad_parameter_is_named() {
    let office = Office::with_folder().await;
    let asha = TestCaller::customer().unwrap();
    let far = format!("?cursor={}", "f".repeat(48));
    for (query, field) in [
        ("?limit=0", "limit"),
        ("?limit=101", "limit"),
        ("?limit=-1", "limit"),
        ("?limit=many", "limit"),
        ("?limit=99999999999999999999", "limit"),
        ("?cursor=", "cursor"),
        ("?cursor=nonsense", "cursor"),
        ("?cursor=%F0%9F%98%80", "cursor"),
        ("?cursor=%00", "cursor"),
        (&far, "cursor"),
    ] {
        let response = office.get(query, &asha.token).await;
        let body = response.json().await.unwrap();
        assert_problem(400, &body, "invalid-parameter", Some(field));
    }
    let earliest = format!("?limit=100&cursor={}", "0".repeat(48));
    let page: Value = office.get(&earliest, &asha.token).await.json().await.unwrap();
    assert_eq!(page["items"], Value::Array(vec![]));
    let posted = reqwest::Client::new().post(format!("{}/api/notifications", office.service.url));
    assert_eq!(posted.send().await.unwrap().status(), 405);
}

#[tokio::test]
async fn the_route_is_described() {
    let office = Office::with_folder().await;
    let url = format!("{}/openapi.json", office.service.url);
    let document: Value = reqwest::get(url).await.unwrap().json().await.unwrap();
    let operation = &document["paths"]["/api/notifications"]["get"];
    let named = operation["parameters"].as_array().unwrap().iter();
    let named: Vec<_> = named.map(|parameter| (&parameter["name"], &parameter["in"])).collect();
    assert_eq!(named, [(&"limit".into(), &"query".into()), (&"cursor".into(), &"query".into())]);
}

#[tokio::test]
async fn the_keys_that_auth_publishes_are_kept() {
    let office = Office::with_folder().await;
    sqlx::query("DELETE FROM signing_keys").execute(office.pool()).await.unwrap();
    office.env.publish(TestSigner::new().published()).await;
    eventually(PATIENCE, async || {
        let keys: Vec<String> = sqlx::query_scalar("SELECT key_id FROM signing_keys")
            .fetch_all(office.pool())
            .await
            .unwrap();
        (keys == ["test"]).then_some(())
    })
    .await;
}
