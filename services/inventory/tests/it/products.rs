//! What the service hears of besides orders.

use contracts::events::{ProductDiscontinued, SigningKeyPublished};
use service_kit::testing::TestSigner;
use test_support::{Delivery, eventually};

use crate::warehouse::{PATIENCE, Warehouse, product, sku};

#[tokio::test]
async fn a_new_product_has_nothing_on_hand_and_a_known_one_keeps_what_it_has() {
    let warehouse = Warehouse::open().await;
    warehouse.stock("A", 5).await;
    let again = Delivery::new(product("A"));
    let discontinued = ProductDiscontinued {
        sku: sku("A"),
        version: 2,
        discontinued_at: chrono::Utc::now(),
        trace_id: product("A").trace_id,
    };
    warehouse.env.deliver(&[again.clone(), again.clone(), Delivery::new(discontinued)]).await;
    warehouse.env.deliver(&[Delivery::new(product("B")), Delivery::new(product("B"))]).await;

    let told = warehouse.told_of_stock(&["A", "B"]).await;
    let expected =
        [("A".to_owned(), 0, 0, 1), ("A".to_owned(), 5, 0, 2), ("B".to_owned(), 0, 0, 1)];
    assert_eq!(told, expected);
    assert_eq!(warehouse.level("A").await, (5, 0));
    assert_eq!(warehouse.level("B").await, (0, 0));
}

#[tokio::test]
async fn keys_that_auth_publishes_are_kept() {
    let warehouse = Warehouse::open().await;
    let published =
        SigningKeyPublished { key_id: "next".to_owned(), ..TestSigner::new().published() };
    warehouse.env.deliver(&[Delivery::new(published.clone()), Delivery::new(published)]).await;
    eventually(PATIENCE, async || {
        let keys: Vec<String> = sqlx::query_scalar("SELECT key_id FROM signing_keys")
            .fetch_all(&warehouse.service.pool)
            .await
            .unwrap();
        keys.contains(&"next".to_owned()).then_some(())
    })
    .await;
}
