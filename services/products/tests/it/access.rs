//! Who may do what.

use service_kit::testing::{Access, TestCaller};

use crate::shop::Shop;

#[tokio::test]
async fn everybody_reads_the_catalogue_and_admins_alone_write_it() {
    let shop = Shop::open().await;
    let access = Access {
        service: &shop.service,
        public: &["GET /api/products", "GET /api/products/{sku}"],
        owner: &shop.customer,
        stranger: &TestCaller::customer().unwrap(),
        owned: &[],
        bodies: &[],
    };
    access.try_everything().await.unwrap();
}

#[tokio::test]
async fn what_may_be_asked_for_is_documented() {
    let shop = Shop::open().await;
    shop.service.is_documented().await.unwrap();
}
