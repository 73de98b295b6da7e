//! Who may do what.

use service_kit::testing::Access;
use test_support::Delivery;

use crate::office::Office;
use crate::orders::{created, new_order};

#[tokio::test]
async fn notifications_are_for_whom_they_were_sent_to() {
    let office = Office::with_folder().await;
    let asha = office.registered("asha@example.org").await;
    let ravi = office.registered("ravi@example.org").await;
    let order = new_order();
    office.env.deliver(&[Delivery::new(created(order, asha.customer))]).await;
    office.until(&asha, &[("ORDER_RECEIVED", "SENT")]).await;
    let access = Access {
        service: &office.service,
        public: &[],
        owner: &asha,
        stranger: &ravi,
        owned: &[("orderId", &order.to_string())],
        bodies: &[],
    };
    access.try_everything().await.unwrap();
}

#[tokio::test]
async fn what_may_be_asked_for_is_documented() {
    let office = Office::with_folder().await;
    office.service.is_documented().await.unwrap();
}
