//! Who may do what.

use serde_json::json;
use service_kit::testing::{Access, TestCaller};

use crate::shop::Shop;

#[tokio::test]
async fn a_payment_is_for_the_orders_customer_and_nothing_for_nobody() {
    let shop = Shop::open().await;
    let order = shop.placed(None).await.to_string();
    let access = Access {
        service: &shop.service,
        public: &["POST /api/payments/webhooks/{provider}"],
        owner: &shop.customer,
        stranger: &TestCaller::customer().unwrap(),
        owned: &[("orderId", &order)],
        bodies: &[(
            "POST /api/payments/pay",
            json!({"orderId": order, "paymentMethod": "pm_card_ok"}),
        )],
    };
    access.try_everything().await.unwrap();
}

#[tokio::test]
async fn what_may_be_asked_for_is_documented() {
    let shop = Shop::open().await;
    shop.service.is_documented().await.unwrap();
}
