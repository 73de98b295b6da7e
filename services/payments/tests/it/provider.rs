//! A provider that is slow, loses answers, or is asked while an order ends.

use std::time::{Duration, Instant};

use payments::payment::Operation::{Authorize, Cancel, Capture, Refund};
use test_support::{Delivery, eventually};

use crate::shop::*;

#[tokio::test]
async fn an_order_that_is_cancelled_while_the_provider_is_asked_is_voided() {
    let shop = Shop::open_with(payments::Config { sandbox_slow_ms: 4000, ..config() }).await;
    let order = shop.placed(Some("pm_card_slow")).await;
    shop.asked_for(order).await;
    shop.hears(&[Delivery::new(cancelled(order))]).await;
    assert_eq!(shop.state(order).await.unwrap(), "AUTHORIZING", "its answer is awaited");
    shop.reaches(order, "VOIDED").await;
    assert_eq!(shop.done(order), [Authorize, Cancel]);
    assert_eq!(shop.names_told(order).await, ["PaymentVoided"]);
    shop.service.stop().await.unwrap();
}

#[tokio::test]
async fn slow_cards_hold_up_nobody_else() {
    let config = payments::Config {
        sandbox_slow_ms: 100_000,
        provider_timeout_ms: 120_000,
        provider_concurrency: 32.try_into().unwrap(),
        ..config()
    };
    let shop = Shop::open_with(config).await;
    for _ in 0..16 {
        shop.placed(Some("pm_card_slow")).await;
    }
    for _ in 0..10 {
        let order = shop.authorized().await;
        shop.hears(&[Delivery::new(completed(order))]).await;
        shop.reaches(order, "CAPTURED").await;
    }
    assert_eq!(shop.count("AUTHORIZING").await, 16, "the slow ones were waited for");
    // Stopping the service would wait for the slow ones.
}

#[tokio::test]
async fn no_more_is_asked_at_once_than_configured() {
    let config = payments::Config { provider_concurrency: 2.try_into().unwrap(), ..config() };
    let shop = Shop::open_with(config).await;
    let mut events = Vec::new();
    for _ in 0..8 {
        let order = new_order();
        events.push(Delivery::new(created(order, shop.customer.customer, Some("pm_card_slow"))));
        events.push(Delivery::new(reserved(order)));
    }
    let started = Instant::now();
    shop.hears(&events).await;
    eventually(PATIENCE, async || {
        let claimed = sqlx::query_scalar::<_, i64>(
            "SELECT count(*) FROM payments WHERE state = 'AUTHORIZING' AND attempt > 0",
        );
        let claimed = claimed.fetch_one(&shop.pool).await.unwrap();
        assert!(claimed <= 2, "{claimed} at once");
        (shop.count("AUTHORIZED").await == 8).then_some(())
    })
    .await;
    // Four after another of 300 ms each.
    assert!(started.elapsed() > Duration::from_millis(1200));
    shop.service.stop().await.unwrap();
}

#[tokio::test]
async fn what_timed_out_is_asked_again_under_the_same_key_and_done_once() {
    let config = payments::Config { provider_timeout_ms: 300, ..config() };
    let shop = Shop::open_with(config).await;
    let (taken, freed) =
        (shop.placed(Some("pm_card_timeout")).await, shop.placed(Some("pm_card_timeout")).await);
    shop.reaches(taken, "AUTHORIZED").await;
    shop.hears(&[Delivery::new(completed(taken))]).await;
    shop.reaches(taken, "CAPTURED").await;
    assert_eq!((shop.asked(taken, Authorize), shop.asked(taken, Capture)), (2, 2));
    assert_eq!(shop.done(taken), [Authorize, Capture]);
    assert_eq!(shop.names_told(taken).await, ["PaymentAuthorized", "PaymentCaptured"]);

    shop.reaches(freed, "AUTHORIZED").await;
    shop.hears(&[Delivery::new(failed(freed))]).await;
    shop.reaches(freed, "VOIDED").await;
    assert_eq!((shop.asked(freed, Authorize), shop.asked(freed, Cancel)), (2, 2));
    assert_eq!(shop.done(freed), [Authorize, Cancel]);
    shop.service.stop().await.unwrap();
}

/// The judge ends an order once; should there be two ends all the same, the money goes back.
#[tokio::test]
async fn what_was_taken_for_an_order_that_is_given_up_after_all_is_given_back_once() {
    let config = payments::Config { provider_timeout_ms: 300, ..config() };
    let shop = Shop::open_with(config).await;
    let orders =
        [shop.placed(Some("pm_card_ok")).await, shop.placed(Some("pm_card_timeout")).await];
    for order in orders {
        shop.reaches(order, "AUTHORIZED").await;
        shop.hears(&[Delivery::new(completed(order))]).await;
        shop.reaches(order, "CAPTURED").await;
        shop.hears_thrice(cancelled(order)).await;
        shop.reaches(order, "REFUNDED").await;
        assert_eq!(shop.done(order), [Authorize, Capture, Refund]);
        let told = ["PaymentAuthorized", "PaymentCaptured", "PaymentRefunded"];
        assert_eq!(shop.names_told(order).await, told);
    }
    shop.service.stop().await.unwrap();
}

#[tokio::test]
async fn an_order_that_ends_while_nothing_is_heard_of_its_authorisation_is_voided() {
    let config = payments::Config { provider_timeout_ms: 4000, ..config() };
    let shop = Shop::open_with(config).await;
    let order = shop.placed(Some("pm_card_timeout")).await;
    shop.asked_for(order).await;
    shop.hears(&[Delivery::new(cancelled(order))]).await;
    shop.reaches(order, "VOIDED").await;
    assert_eq!(shop.done(order), [Authorize, Cancel]);
    assert_eq!(shop.names_told(order).await, ["PaymentVoided"]);
    shop.service.stop().await.unwrap();
}
