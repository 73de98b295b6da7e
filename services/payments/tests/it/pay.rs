//! Paying later, over HTTP.

use std::time::Duration;

use contracts::events::Event;
use serde_json::json;
use service_kit::testing::TestCaller;
use test_support::Delivery;

use crate::shop::*;

#[tokio::test]
async fn an_order_without_a_method_is_paid_when_its_customer_pays() {
    let shop = Shop::open().await;
    let order = shop.placed(None).await;
    let token = Some(shop.customer.token.as_str());
    let shown = shop.get(order, token).await;
    assert_eq!(shown.status_of_payment(), "AWAITING");
    assert!(shown.text.contains(r#""amount":1499.00,"#), "{}", shown.text);
    assert_eq!(shown.body["currency"], "INR");
    assert_eq!(shown.body.get("paymentMethod"), None);

    let accepted = shop.pay(order, "pm_card_ok").await;
    assert_eq!((accepted.status, accepted.status_of_payment()), (202, "AUTHORIZING"));
    assert_eq!(accepted.body["paymentId"], shown.body["paymentId"]);
    shop.reaches(order, "AUTHORIZED").await;
    assert_eq!(shop.names_told(order).await, ["PaymentAuthorized"]);
    let shown = shop.get(order, token).await;
    assert_eq!(shown.status_of_payment(), "AUTHORIZED");
    assert_eq!(shown.body["paymentMethod"], "pm_card_ok");
    assert!(shown.body["createdAt"].as_str() < shown.body["updatedAt"].as_str());
    shop.service.stop().await.unwrap();
}

#[tokio::test]
async fn a_method_that_is_chosen_before_the_stock_is_set_aside_is_used_then() {
    let shop = Shop::open().await;
    let order = new_order();
    let created = created(order, shop.customer.customer, None);
    shop.hears(&[Delivery::new(created)]).await;
    assert_eq!(shop.pay(order, "pm_card_declined").await.status_of_payment(), "AWAITING");
    assert_eq!(shop.pay(order, "pm_card_ok").await.status_of_payment(), "AWAITING");
    shop.hears(&[Delivery::new(reserved(order))]).await;
    shop.reaches(order, "AUTHORIZED").await;
    shop.service.stop().await.unwrap();
}

#[tokio::test]
async fn the_trace_of_the_request_is_that_of_the_event() {
    let shop = Shop::open().await;
    let order = shop.placed(None).await;
    let body = json!({ "orderId": order.to_string(), "paymentMethod": "pm_card_ok" });
    let trace = "00-0123456789abcdef0123456789abcdef-0123456789abcdef-01";
    let request = reqwest::Client::new().post(format!("{}/api/payments/pay", shop.service.url));
    let request = request.json(&body).bearer_auth(&shop.customer.token);
    let response = request.header("traceparent", trace).send().await.unwrap();
    assert_eq!(response.status(), 202);
    shop.reaches(order, "AUTHORIZED").await;
    let told = shop.told(order).await;
    let [Event::PaymentAuthorized(event)] = &*told else { panic!("{told:?}") };
    assert_eq!(event.trace_id.to_string(), "0123456789abcdef0123456789abcdef");
    shop.service.stop().await.unwrap();
}

#[tokio::test]
async fn what_cannot_be_paid_any_more_is_refused() {
    let config =
        payments::Config { sandbox_slow_ms: 100_000, provider_timeout_ms: 120_000, ..config() };
    let shop = Shop::open_with(config).await;
    let refused = async |order, method: &str| {
        let answer = shop.pay(order, method).await;
        let (status, kind, field) = answer.problem();
        (status, kind.to_owned(), field.map(str::to_owned))
    };
    let conflict = |kind: &str| (409, kind.to_owned(), None);

    let order = shop.authorized().await;
    assert_eq!(refused(order, "pm_card_ok").await, conflict("already-paid"));
    shop.hears(&[Delivery::new(completed(order))]).await;
    shop.reaches(order, "CAPTURED").await;
    assert_eq!(refused(order, "pm_card_ok").await, conflict("already-paid"));

    let order = shop.placed(Some("pm_card_declined")).await;
    shop.reaches(order, "FAILED").await;
    assert_eq!(refused(order, "pm_card_ok").await, conflict("payment-failed"));

    for end in [Delivery::new(cancelled(new_order())), Delivery::new(failed(new_order()))] {
        let order = end.event.key().parse().unwrap();
        let created = Delivery::new(created(order, shop.customer.customer, None));
        shop.hears(&[created, Delivery::new(reserved(order)), end]).await;
        shop.reaches(order, "CANCELLED").await;
        assert_eq!(refused(order, "pm_card_ok").await, conflict("order-ended"));
    }
    let order = shop.authorized().await;
    shop.hears(&[Delivery::new(cancelled(order))]).await;
    shop.reaches(order, "VOIDED").await;
    assert_eq!(refused(order, "pm_card_ok").await, conflict("order-ended"));

    let order = shop.placed(Some("pm_card_slow")).await;
    assert_eq!(refused(order, "pm_card_ok").await, conflict("payment-in-progress"));
    let again = shop.pay(order, "pm_card_slow").await;
    assert_eq!((again.status, again.status_of_payment()), (202, "AUTHORIZING"));
    shop.hears(&[Delivery::new(cancelled(order))]).await;
    assert_eq!(refused(order, "pm_card_slow").await, conflict("order-ended"));
    // Stopping the service would wait for the slow one.
}

#[tokio::test]
async fn orders_that_are_unknown_or_another_customers_are_not_found() {
    let shop = Shop::open().await;
    let other = TestCaller::customer().unwrap();
    let admin = TestCaller::admin().unwrap();
    let order = shop.placed(None).await;
    let nobodys = new_order();
    shop.hears(&[Delivery::new(reserved(nobodys))]).await;

    for (order, caller) in
        [(order, &other), (order, &admin), (new_order(), &shop.customer), (nobodys, &shop.customer)]
    {
        let answer = shop.pay_as(Some(&caller.token), order, "pm_card_ok").await;
        assert_eq!(answer.problem(), (404, "not-found", None));
    }
    for (order, caller) in [
        (order, &other),
        (new_order(), &shop.customer),
        (nobodys, &shop.customer),
        (nobodys, &admin),
    ] {
        let answer = shop.get(order, Some(&caller.token)).await;
        assert_eq!(answer.problem(), (404, "not-found", None));
    }
    assert_eq!(shop.state(order).await.unwrap(), "AWAITING", "nobody has paid it");
    let shown = shop.get(order, Some(&admin.token)).await;
    assert_eq!(shown.status_of_payment(), "AWAITING", "an admin sees every payment");
    shop.service.stop().await.unwrap();
}

#[tokio::test]
async fn a_request_that_is_wrong_is_told_what_is() {
    let shop = Shop::open().await;
    let order = shop.placed(None).await;
    let token = Some(shop.customer.token.as_str());

    assert_eq!(shop.pay_as(None, order, "pm_card_ok").await.problem().0, 401);
    assert_eq!(shop.pay_as(Some("nonsense"), order, "pm_card_ok").await.problem().0, 401);
    assert_eq!(shop.get(order, None).await.problem().0, 401);

    let id = order.to_string();
    for (body, field) in [
        (json!({ "orderId": id, "paymentMethod": "pm_card_nobody_has" }), "paymentMethod"),
        (json!({ "orderId": id, "paymentMethod": "" }), "paymentMethod"),
        (json!({ "orderId": id, "paymentMethod": 1 }), "paymentMethod"),
        (json!({ "orderId": id, "paymentMethod": "pm_card_ok\u{0}" }), "paymentMethod"),
        (json!({ "orderId": id }), "paymentMethod"),
        (json!({ "paymentMethod": "pm_card_ok" }), "orderId"),
        (json!({ "orderId": "ord_1", "paymentMethod": "pm_card_ok" }), "orderId"),
        (json!({ "orderId": id.to_uppercase(), "paymentMethod": "pm_card_ok" }), "orderId"),
        (json!({ "orderId": id, "paymentMethod": "pm_card_ok", "amount": 1 }), "amount"),
    ] {
        let answer = shop.post("/api/payments/pay", token, &body).await;
        assert_eq!(answer.problem(), (422, "invalid-field", Some(field)), "{body}");
    }
    for malformed in ["ord_1", "1", "%00", "cust_01h455vb4pex5vsknk084sn02q", "%ff"] {
        let answer = shop.get(malformed, token).await;
        assert_eq!(answer.problem(), (400, "invalid-parameter", Some("orderId")), "{malformed}");
    }
    assert_eq!(shop.state(order).await.unwrap(), "AWAITING");
    shop.service.stop().await.unwrap();
}

/// Whoever is first, the money is free in the end, and what was accepted was accepted in time.
#[tokio::test]
async fn paying_raced_with_cancelling_ends_without_money_set_aside() {
    let shop = Shop::open().await;
    let mut orders = Vec::new();
    for _ in 0..60 {
        orders.push(new_order());
    }
    let facts: Vec<_> = orders
        .iter()
        .flat_map(|&order| {
            let created = created(order, shop.customer.customer, None);
            [Delivery::new(created), Delivery::new(reserved(order))]
        })
        .collect();
    shop.hears(&facts).await;

    let mut accepted = 0;
    // Finds the moment at which the two meet, whatever the machine.
    let mut delay = Duration::from_millis(5);
    for &order in &orders {
        let cancelling = async { shop.hears(&[Delivery::new(cancelled(order))]).await };
        let paying = async {
            tokio::time::sleep(delay).await;
            let answer = shop.pay(order, "pm_card_ok").await;
            if answer.status != 202 {
                assert_eq!(answer.problem(), (409, "order-ended", None));
            }
            answer.status == 202
        };
        let ((), paid) = tokio::join!(cancelling, paying);
        accepted += usize::from(paid);
        delay = delay.mul_f64(if paid { 1.25 } else { 0.8 });
        shop.reaches(order, if paid { "VOIDED" } else { "CANCELLED" }).await;
    }
    assert!((1..60).contains(&accepted), "{accepted} of 60 were accepted: there was no race");
    let told = shop.told(orders[0]).await;
    assert!(told.iter().all(|event| !matches!(event, Event::PaymentCaptured(_))));
    shop.service.stop().await.unwrap();
}
