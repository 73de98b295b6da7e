//! Events in other orders than one would think, and after the end.

use test_support::{Delivery, eventually};

use crate::shop::*;

#[tokio::test]
async fn stock_that_is_set_aside_before_the_order_is_heard_of_is_remembered() {
    let shop = Shop::open().await;
    let order = new_order();
    shop.hears_thrice(reserved(order)).await;
    assert_eq!(shop.get(order, Some(&shop.customer.token)).await.status, 404, "nobody's yet");
    shop.hears_thrice(created(order, shop.customer.customer, Some("pm_card_ok"))).await;
    shop.reaches(order, "AUTHORIZED").await;
    assert_eq!(shop.names_told(order).await, ["PaymentAuthorized"]);
    shop.service.stop().await.unwrap();
}

#[tokio::test]
async fn an_end_that_comes_before_the_stock_or_the_order_is_remembered() {
    let shop = Shop::open().await;
    for end in [Delivery::new(cancelled(new_order())), Delivery::new(failed(new_order()))] {
        let order = end.event.key().parse().unwrap();
        shop.hears_thrice(end.event).await;
        assert_eq!(shop.state(order).await.unwrap(), "CANCELLED");
        shop.hears_thrice(reserved(order)).await;
        shop.hears_thrice(created(order, shop.customer.customer, Some("pm_card_ok"))).await;
        assert!(shop.names_told(order).await.is_empty());
        assert_eq!(shop.state(order).await.unwrap(), "CANCELLED");
        // Its owner is known all the same.
        let shown = shop.get(order, Some(&shop.customer.token)).await;
        assert_eq!(shown.status_of_payment(), "CANCELLED");
    }

    let order = new_order();
    shop.hears_thrice(created(order, shop.customer.customer, Some("pm_card_ok"))).await;
    shop.hears_thrice(cancelled(order)).await;
    shop.hears_thrice(reserved(order)).await;
    assert!(shop.names_told(order).await.is_empty());
    assert_eq!(shop.state(order).await.unwrap(), "CANCELLED");
    shop.service.stop().await.unwrap();
}

#[tokio::test]
async fn nothing_that_comes_late_moves_an_end() {
    let shop = Shop::open().await;
    let captured = shop.authorized().await;
    shop.hears(&[Delivery::new(completed(captured))]).await;
    shop.reaches(captured, "CAPTURED").await;
    let voided = shop.authorized().await;
    shop.hears(&[Delivery::new(cancelled(voided))]).await;
    shop.reaches(voided, "VOIDED").await;

    for order in [captured, voided] {
        shop.hears_thrice(created(order, shop.customer.customer, Some("pm_card_slow"))).await;
        shop.hears_thrice(reserved(order)).await;
        shop.hears_thrice(completed(order)).await;
    }
    assert_eq!(shop.names_told(captured).await, ["PaymentAuthorized", "PaymentCaptured"]);
    assert_eq!(shop.names_told(voided).await, ["PaymentAuthorized", "PaymentVoided"]);
    assert_eq!(shop.state(captured).await.unwrap(), "CAPTURED");
    assert_eq!(shop.state(voided).await.unwrap(), "VOIDED");
    shop.service.stop().await.unwrap();
}

#[tokio::test]
async fn everything_read_again_with_an_empty_inbox_changes_nothing_and_tells_nothing() {
    let shop = Shop::open().await;
    let mut all = Vec::new();
    let mut orders = Vec::new();
    for end in ["CAPTURED", "VOIDED", "FAILED", "CANCELLED"] {
        let order = new_order();
        let method = if end == "FAILED" { "pm_card_declined" } else { "pm_card_ok" };
        let mut events = vec![Delivery::new(created(order, shop.customer.customer, Some(method)))];
        if end != "CANCELLED" {
            events.push(Delivery::new(reserved(order)));
        }
        shop.hears(&events).await;
        if end == "FAILED" {
            shop.reaches(order, "FAILED").await;
        } else if end != "CANCELLED" {
            shop.reaches(order, "AUTHORIZED").await;
        }
        let ended = match end {
            "CAPTURED" => Delivery::new(completed(order)),
            "FAILED" => Delivery::new(failed(order)),
            _ => Delivery::new(cancelled(order)),
        };
        shop.hears(std::slice::from_ref(&ended)).await;
        shop.reaches(order, end).await;
        events.push(ended);
        all.extend(events);
        orders.push((order, shop.told(order).await));
    }
    let rows = async || -> Vec<String> {
        let rows = sqlx::query_scalar("SELECT payments::text FROM payments ORDER BY order_id");
        rows.fetch_all(&shop.pool).await.unwrap()
    };
    let before = rows().await;
    sqlx::query("DELETE FROM inbox").execute(&shop.pool).await.unwrap();
    shop.hears(&all).await;
    assert_eq!(rows().await, before);
    for (order, told) in orders {
        assert_eq!(shop.told(order).await, told);
    }
    shop.service.stop().await.unwrap();
}

#[tokio::test]
async fn when_two_replicas_hear_of_an_order_first_neither_loses_what_it_heard() {
    let shop = Shop::open().await;
    let order = new_order();
    // What a replica is about to commit that has heard of the stock.
    let mut other = shop.pool.begin().await.unwrap();
    sqlx::query(
        "INSERT INTO payments (order_id, payment_id, reserved, state, attempt, traceparent, version,
                               created_at, updated_at)
         VALUES ($1, $1, true, 'AWAITING', 0,
                 '00-0123456789abcdef0123456789abcdef-0123456789abcdef-01', 1, now(), now())",
    )
    .bind(order.as_uuid())
    .execute(&mut *other)
    .await
    .unwrap();
    let created = Delivery::new(created(order, shop.customer.customer, Some("pm_card_ok")));
    let hearing = shop.hears(std::slice::from_ref(&created));
    let committing = async {
        eventually(PATIENCE, async || {
            let waiting: i64 = sqlx::query_scalar(
                "SELECT count(*) FROM pg_stat_activity
                 WHERE datname = current_database() AND wait_event = 'transactionid'",
            )
            .fetch_one(&shop.pool)
            .await
            .unwrap();
            (waiting > 0).then_some(())
        })
        .await;
        other.commit().await.unwrap();
    };
    tokio::join!(hearing, committing);
    shop.reaches(order, "AUTHORIZED").await;
    let payment: uuid::Uuid =
        sqlx::query_scalar("SELECT payment_id FROM payments").fetch_one(&shop.pool).await.unwrap();
    assert_eq!(payment, order.as_uuid(), "the first payment stays");
    shop.service.stop().await.unwrap();
}
