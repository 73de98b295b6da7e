//! The service's own copy of the catalogue.

use chrono::Utc;
use contracts::events::{ProductDiscontinued, ProductUpdated};
use reqwest::StatusCode;
use serde_json::{Value, json};
use service_kit::testing::TestCaller;
use test_support::Delivery;

use crate::running::{Orders, answer, problem, product, trace};

fn updated(sku: &str, price: &str, version: u64) -> Delivery {
    Delivery::new(ProductUpdated {
        sku: sku.parse().unwrap(),
        name: "Another name".to_owned(),
        price: price.parse().unwrap(),
        currency: "INR".parse().unwrap(),
        version,
        updated_at: Utc::now(),
        trace_id: trace(),
    })
}

fn discontinued(sku: &str, version: u64) -> Delivery {
    Delivery::new(ProductDiscontinued {
        sku: sku.parse().unwrap(),
        version,
        discontinued_at: Utc::now(),
        trace_id: trace(),
    })
}

fn one(sku: &str) -> Value {
    json!({"items": [{"sku": sku, "qty": 1}]})
}

#[tokio::test]
async fn orders_cost_what_the_catalogue_said_last() {
    let orders = Orders::start().await;
    let caller = TestCaller::customer().unwrap();
    let total = async || {
        let response = orders.post(&caller, "/api/orders", &one("PEN")).await;
        answer(response, StatusCode::ACCEPTED).await["total"].to_string()
    };
    let refused = async || {
        let response = orders.post(&caller, "/api/orders", &one("PEN")).await;
        let body = answer(response, StatusCode::UNPROCESSABLE_ENTITY).await;
        assert_eq!(body["field"], "items[0].sku");
        body["detail"].as_str().unwrap().to_owned()
    };
    assert!(refused().await.contains("No product has the SKU PEN"));

    let created = Delivery::new(product("PEN", "10.00", "INR", 1));
    orders.deliver(std::slice::from_ref(&created)).await;
    let before = total().await;
    assert_eq!(before, "10.0");

    // In one batch: the highest version counts, not the last.
    orders.deliver(&[updated("PEN", "30.00", 3), updated("PEN", "20.00", 2)]).await;
    assert_eq!(total().await, "30.0");
    orders.deliver(&[updated("PEN", "25.00", 3), updated("PEN", "20.00", 2)]).await;
    assert_eq!(total().await, "30.0", "what is as old or older changes nothing");

    orders.deliver(&[discontinued("PEN", 4)]).await;
    assert!(refused().await.contains("no longer sold"));
    orders.deliver(&[updated("PEN", "35.00", 3), Delivery::new(created.event)]).await;
    assert!(refused().await.contains("no longer sold"), "a replay does not bring it back");
    orders.deliver(&[updated("PEN", "40.00", 5)]).await;
    assert_eq!(total().await, "40.0");

    let page = answer(orders.get(&caller, "/api/orders").await, StatusCode::OK).await;
    let totals: Vec<_> = page["items"].as_array().unwrap().iter().map(|o| &o["total"]).collect();
    assert_eq!(json!(totals), json!([40.0, 30.0, 30.0, 10.0]), "placed orders keep their price");
    orders.service.stop().await.unwrap();
}

#[tokio::test]
async fn a_product_whose_end_is_all_that_was_heard_of_cannot_be_ordered() {
    let orders = Orders::start().await;
    let caller = TestCaller::customer().unwrap();
    orders
        .deliver(&[discontinued("GONE", 7), Delivery::new(product("GONE", "1.00", "INR", 1))])
        .await;
    let (field, _) = problem(orders.post(&caller, "/api/orders", &one("GONE")).await, 422).await;
    assert_eq!(field, "items[0].sku");
    orders.service.stop().await.unwrap();
}

#[tokio::test]
async fn a_price_with_too_many_digits_is_set_aside_and_the_rest_goes_on() {
    let orders = Orders::start().await;
    let caller = TestCaller::customer().unwrap();
    let wrong = Delivery::new(product("ODD", "1.001", "INR", 1));
    let good = Delivery::new(product("EVEN", "1.00", "INR", 1));
    orders.env.deliver(&[wrong, good]).await;
    orders.until_known(&["EVEN"]).await;
    answer(orders.post(&caller, "/api/orders", &one("EVEN")).await, StatusCode::ACCEPTED).await;
    problem(orders.post(&caller, "/api/orders", &one("ODD")).await, 422).await;
    let dead: i64 = sqlx::query_scalar("SELECT count(*) FROM dead_letters")
        .fetch_one(&orders.service.pool)
        .await
        .unwrap();
    assert_eq!(dead, 1);
    orders.service.stop().await.unwrap();
}
