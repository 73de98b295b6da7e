//! Answers that the provider gives by itself.

use chrono::{TimeDelta, Utc};
use contracts::ids::OrderId;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;
use test_support::Delivery;

use crate::shop::*;

const SECRET: &str = "whsec_of_the_sandbox";

async fn open() -> Shop {
    let config = payments::Config {
        sandbox_slow_ms: 100_000,
        provider_timeout_ms: 120_000,
        sandbox_webhook_secret: Some(SECRET.to_owned()),
        ..config()
    };
    Shop::open_with(config).await
}

fn sign(secret: &str, body: &str, age: TimeDelta) -> String {
    let time = (Utc::now() - age).timestamp();
    let mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    let code = mac.chain_update(format!("{time}.{body}")).finalize().into_bytes();
    code.iter().fold(format!("t={time},v1="), |text, byte| format!("{text}{byte:02x}"))
}

async fn send(shop: &Shop, provider: &str, body: &str, signature: Option<&str>) -> (u16, Value) {
    let url = format!("{}/api/payments/webhooks/{provider}", shop.service.url);
    let mut request = reqwest::Client::new().post(url).body(body.to_owned());
    if let Some(signature) = signature {
        request = request.header("webhook-signature", signature);
    }
    let response = request.send().await.unwrap();
    let status = response.status().as_u16();
    (status, response.json().await.unwrap_or_default())
}

async fn signed(shop: &Shop, body: &Value) -> u16 {
    let body = body.to_string();
    send(shop, "sandbox", &body, Some(&sign(SECRET, &body, TimeDelta::zero()))).await.0
}

/// The webhook about an order's payment.
async fn about(shop: &Shop, order: OrderId, kind: &str) -> Value {
    let shown = shop.get(order, Some(&shop.customer.token)).await.body;
    json!({
        "id": "evt_1",
        "type": kind,
        "orderId": order.to_string(),
        "paymentId": shown["paymentId"],
        "reference": "pm_card_ok/by-webhook",
        "reason": "LOST_CARD",
    })
}

#[tokio::test]
async fn an_answer_counts_once_whether_it_comes_by_webhook_or_by_the_call() {
    let shop = open().await;
    let order = shop.placed(Some("pm_card_slow")).await;
    let webhook = about(&shop, order, "authorized").await;
    // The call is still on its way.
    assert_eq!(signed(&shop, &webhook).await, 204);
    assert_eq!(shop.state(order).await.unwrap(), "AUTHORIZED");
    assert_eq!(signed(&shop, &webhook).await, 204, "a repeat");
    shop.hears(&[Delivery::new(completed(order))]).await;
    shop.reaches(order, "CAPTURED").await;
    assert_eq!(signed(&shop, &webhook).await, 204, "late");
    assert_eq!(signed(&shop, &about(&shop, order, "declined").await).await, 204, "nonsense");
    assert_eq!(shop.state(order).await.unwrap(), "CAPTURED");
    assert_eq!(shop.names_told(order).await, ["PaymentAuthorized", "PaymentCaptured"]);

    let order = shop.placed(Some("pm_card_slow")).await;
    assert_eq!(signed(&shop, &about(&shop, order, "declined").await).await, 204);
    assert_eq!(shop.names_told(order).await, ["PaymentFailed"]);
    let shown = shop.get(order, Some(&shop.customer.token)).await.body;
    assert_eq!(shown["reason"], "LOST_CARD");
}

#[tokio::test]
async fn what_the_provider_has_not_signed_changes_nothing() {
    let shop = open().await;
    let order = shop.placed(Some("pm_card_slow")).await;
    let body = about(&shop, order, "authorized").await.to_string();
    let fresh = TimeDelta::zero();
    for (signature, slug) in [
        (None, "invalid-signature"),
        (Some(sign("another secret", &body, fresh)), "invalid-signature"),
        (Some(sign(SECRET, "{}", fresh)), "invalid-signature"),
        (Some(sign(SECRET, &body, TimeDelta::minutes(6))), "stale-signature"),
        (Some(sign(SECRET, &body, TimeDelta::minutes(-6))), "stale-signature"),
    ] {
        let (status, problem) = send(&shop, "sandbox", &body, signature.as_deref()).await;
        assert_eq!(status, 400, "{problem}");
        assert!(problem["type"].as_str().unwrap().ends_with(slug), "{problem}");
        assert_eq!(problem["field"], "webhook-signature");
    }
    let signature = sign(SECRET, &body, fresh);
    assert_eq!(send(&shop, "somebody", &body, Some(&signature)).await.0, 404);
    assert_eq!(shop.state(order).await.unwrap(), "AUTHORIZING");

    let mut webhook = about(&shop, order, "authorized").await;
    webhook["reference"] = "\0".into();
    assert_eq!(signed(&shop, &webhook).await, 422);
    webhook["reference"] = "ref".into();
    webhook["paymentId"] = "pay_01h455vb4pex5vsknk084sn02q".into();
    assert_eq!(signed(&shop, &webhook).await, 404, "another payment");
    webhook["orderId"] = new_order().to_string().into();
    assert_eq!(signed(&shop, &webhook).await, 404, "an unknown order");
    assert_eq!(signed(&shop, &json!({})).await, 422);
    webhook["type"] = "lost".into();
    assert_eq!(signed(&shop, &webhook).await, 422);
    assert_eq!(shop.state(order).await.unwrap(), "AUTHORIZING");
}

#[tokio::test]
async fn without_a_secret_no_webhook_is_taken() {
    let shop = Shop::open().await;
    let order = shop.placed(None).await;
    let body = about(&shop, order, "authorized").await.to_string();
    let signature = sign("", &body, TimeDelta::zero());
    assert_eq!(send(&shop, "sandbox", &body, Some(&signature)).await.0, 404);
    shop.service.stop().await.unwrap();
}
