//! The steps of an order, each delivered more than once.

use contracts::events::{Event, PaymentFailureReason};
use contracts::money::Currency;
use test_support::Delivery;

use crate::shop::*;

#[tokio::test]
async fn a_completed_order_is_authorised_and_captured_once() {
    let shop = Shop::open().await;
    let order = new_order();
    shop.hears_thrice(created(order, shop.customer.customer, Some("pm_card_ok"))).await;
    assert_eq!(shop.state(order).await.unwrap(), "AWAITING");
    let reserved = reserved(order);
    shop.hears_thrice(reserved.clone()).await;
    shop.reaches(order, "AUTHORIZED").await;
    let completed = completed(order);
    shop.hears_thrice(completed.clone()).await;
    shop.reaches(order, "CAPTURED").await;

    let told = shop.told(order).await;
    let [Event::PaymentAuthorized(authorized), Event::PaymentCaptured(captured)] = &*told else {
        panic!("{told:?}");
    };
    assert_eq!(authorized.amount.to_string(), "1499.00");
    assert_eq!(authorized.currency, Currency::INR);
    assert_eq!(captured.amount, authorized.amount);
    assert_eq!(captured.payment_id, authorized.payment_id);
    assert_eq!(authorized.trace_id, reserved.trace_id, "an answer belongs to what led to it");
    assert_eq!(captured.trace_id, completed.trace_id);
    assert!(authorized.authorized_at.unwrap() <= captured.captured_at);
    shop.service.stop().await.unwrap();
}

#[tokio::test]
async fn an_authorised_order_that_fails_or_is_cancelled_is_voided_once() {
    let shop = Shop::open().await;
    let (first, second) = (shop.authorized().await, shop.authorized().await);
    shop.hears_thrice(failed(first)).await;
    shop.hears_thrice(cancelled(second)).await;
    for order in [first, second] {
        shop.reaches(order, "VOIDED").await;
        assert_eq!(shop.names_told(order).await, ["PaymentAuthorized", "PaymentVoided"]);
    }
    shop.service.stop().await.unwrap();
}

#[tokio::test]
async fn a_declined_card_and_an_unknown_method_fail_the_payment_and_change_nothing_else() {
    let shop = Shop::open().await;
    for (method, reason) in [
        ("pm_card_declined", PaymentFailureReason::CardDeclined),
        ("pm_card_nobody_has", "INVALID_PAYMENT_METHOD".into()),
    ] {
        let order = new_order();
        shop.hears_thrice(created(order, shop.customer.customer, Some(method))).await;
        shop.hears_thrice(reserved(order)).await;
        shop.reaches(order, "FAILED").await;
        shop.hears_thrice(failed(order)).await;
        shop.hears_thrice(completed(order)).await;
        let told = shop.told(order).await;
        let [Event::PaymentFailed(event)] = &*told else { panic!("{told:?}") };
        assert_eq!(event.reason, reason);
        assert!(event.payment_id.is_some());
        assert_eq!(shop.state(order).await.unwrap(), "FAILED");
        let shown = shop.get(order, Some(&shop.customer.token)).await.body;
        assert_eq!(shown["reason"], reason.as_str());
    }
    shop.service.stop().await.unwrap();
}

#[tokio::test]
async fn an_order_is_not_paid_before_its_stock_is_set_aside() {
    let shop = Shop::open().await;
    let order = new_order();
    let created = created(order, shop.customer.customer, Some("pm_card_ok"));
    shop.hears(&[Delivery::new(created)]).await;
    assert!(shop.names_told(order).await.is_empty());
    assert_eq!(shop.state(order).await.unwrap(), "AWAITING");
    shop.hears(&[Delivery::new(failed(order))]).await;
    assert_eq!(shop.state(order).await.unwrap(), "CANCELLED");
    assert!(shop.names_told(order).await.is_empty());
    shop.service.stop().await.unwrap();
}

#[tokio::test]
async fn a_batch_of_everything_at_once_is_worked_off() {
    let shop = Shop::open().await;
    let orders: Vec<_> = (0..300).map(|_| new_order()).collect();
    let (mut facts, mut ends) = (Vec::new(), Vec::new());
    for (at, &order) in orders.iter().enumerate() {
        facts.push(Delivery::new(created(order, shop.customer.customer, Some("pm_card_ok"))));
        facts.push(Delivery::new(reserved(order)));
        ends.push(if at % 3 == 0 {
            Delivery::new(cancelled(order))
        } else {
            Delivery::new(completed(order))
        });
    }
    shop.hears(&facts).await;
    test_support::eventually(PATIENCE, async || {
        (shop.count("AUTHORIZED").await == 300).then_some(())
    })
    .await;
    shop.hears(&ends).await;
    test_support::eventually(PATIENCE, async || {
        (shop.count("CAPTURED").await == 200 && shop.count("VOIDED").await == 100).then_some(())
    })
    .await;
    shop.service.stop().await.unwrap();
}
