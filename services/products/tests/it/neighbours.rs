//! What the other services tell, what they are told, and the sample products.

use std::time::Duration;

use chrono::Utc;
use contracts::events::{Event, StockChanged};
use contracts::topic::Topic;
use contracts::trace::TraceId;
use serde_json::Value;
use service_kit::testing::TestSigner;
use test_support::{Delivery, eventually};

use crate::shop::{Shop, draft, ok};

const PATIENCE: Duration = Duration::from_mins(1);

fn stock(sku: &str, available: u32, version: u64) -> StockChanged {
    StockChanged {
        sku: sku.parse().unwrap(),
        on_hand: available + 1,
        reserved: 1,
        available,
        version,
        changed_at: Utc::now(),
        trace_id: TraceId::from_bytes([1; 16]),
    }
}

impl Shop {
    async fn until_available(&self, sku: &str, available: u32) {
        eventually(PATIENCE, async || {
            let body = ok(self.get(&format!("/{sku}")).await, 200).await;
            (body["available"] == available).then_some(())
        })
        .await;
    }
}

#[tokio::test]
async fn availability_is_the_newest_the_warehouse_told() {
    let shop = Shop::open().await;
    ok(shop.create(&draft("MUG")).await, 201).await;
    let old = shop.env.publish(stock("MUG", 3, 1)).await;
    shop.until_available("MUG", 3).await;
    let response = shop.get("/MUG").await;
    assert_eq!(response.headers()["etag"], "\"1\"", "stock is no change of the product");

    // In one batch, the newest not last; among them a repeat and one that is older than what is known.
    let deliveries =
        [stock("MUG", 8, 4), stock("MUG", 9, 5), stock("MUG", 7, 3), stock("CUP", 1, 1)];
    let deliveries: Vec<_> = [old].into_iter().chain(deliveries.map(Delivery::new)).collect();
    shop.env.deliver(&deliveries).await;
    shop.until_available("MUG", 9).await;

    // Late, in a batch of its own, under a new id; the cup tells when it has been handled.
    shop.env.deliver(&[stock("MUG", 2, 2), stock("CUP", 4, 2)].map(Delivery::new)).await;
    ok(shop.create(&draft("CUP")).await, 201).await;
    shop.until_available("CUP", 4).await;
    let page: Value = ok(shop.get("").await, 200).await;
    assert_eq!(
        (&page["items"][0]["available"], &page["items"][1]["available"]),
        (&4.into(), &9.into())
    );
}

#[tokio::test]
async fn a_topic_read_again_with_an_empty_inbox_changes_nothing() {
    let shop = Shop::open().await;
    ok(shop.create(&draft("MUG")).await, 201).await;
    let told = [stock("MUG", 1, 1), stock("MUG", 2, 2), stock("MUG", 5, 3)].map(Delivery::new);
    shop.env.deliver(&told).await;
    shop.until_available("MUG", 5).await;
    sqlx::query("DELETE FROM inbox").execute(&shop.service.pool).await.unwrap();

    shop.env.deliver(&told).await;
    shop.env.publish(stock("CUP", 7, 1)).await;
    eventually(PATIENCE, async || {
        let handled: i64 = sqlx::query_scalar("SELECT count(*) FROM processed_events")
            .fetch_one(&shop.service.pool)
            .await
            .unwrap();
        (handled == 4).then_some(())
    })
    .await;
    shop.until_available("MUG", 5).await;
    assert_eq!(shop.events_told().await, 1, "only what the admin did");
}

#[tokio::test]
async fn the_keys_that_auth_publishes_are_kept() {
    let shop = Shop::open().await;
    let pool = &shop.service.pool;
    sqlx::query("DELETE FROM signing_keys").execute(pool).await.unwrap();
    shop.env.publish(TestSigner::new().published()).await;
    eventually(PATIENCE, async || {
        let keys: Vec<String> =
            sqlx::query_scalar("SELECT key_id FROM signing_keys").fetch_all(pool).await.unwrap();
        (keys == ["test"]).then_some(())
    })
    .await;
    ok(shop.create(&draft("MUG")).await, 201).await;
}

#[tokio::test]
async fn the_samples_are_added_once_and_published() {
    let shop = Shop::open().await;
    // A sample of the admin's own making stays as it is.
    let mine = draft("MUG-INDIGO-350");
    ok(shop.create(&mine).await, 201).await;
    let pool = &shop.service.pool;
    let (first, second) = tokio::join!(products::seed::run(pool), products::seed::run(pool));
    first.unwrap();
    second.unwrap();
    products::seed::run(pool).await.unwrap();

    let count: i64 =
        sqlx::query_scalar("SELECT count(*) FROM products").fetch_one(pool).await.unwrap();
    assert!(count >= 50, "{count}");
    assert_eq!(shop.events_told().await, count, "one for each product");
    assert_eq!(ok(shop.get("/MUG-INDIGO-350").await, 200).await["name"], mine["name"]);
    let count = usize::try_from(count).unwrap();
    let events = shop.env.events(Topic::Products, |events| events.len() == count).await;
    assert!(events.iter().all(|event| matches!(event, Event::ProductCreated(_))));
    assert_eq!(shop.page("q=coffee%20beans").await.0, ["COFFEE-CHIKMAG-250"]);
}

#[tokio::test]
async fn the_service_starts_again_on_the_same_state() {
    let shop = Shop::open().await;
    ok(shop.create(&draft("MUG")).await, 201).await;
    let Shop { env, service, .. } = shop;
    service.stop().await.unwrap();
    let service = Shop::start(&env).await;
    let body = reqwest::get(format!("{}/api/products/MUG", service.url)).await.unwrap();
    assert_eq!(ok(body, 200).await["sku"], "MUG");
    service.stop().await.unwrap();
}
