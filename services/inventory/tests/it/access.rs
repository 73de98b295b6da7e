//! Who may do what.

use service_kit::testing::{Access, TestCaller};

use crate::warehouse::Warehouse;

#[tokio::test]
async fn everybody_sees_the_stock_and_admins_alone_set_it() {
    let warehouse = Warehouse::open().await;
    let access = Access {
        service: &warehouse.service,
        public: &["GET /api/stock/{sku}"],
        owner: &TestCaller::customer().unwrap(),
        stranger: &TestCaller::customer().unwrap(),
        owned: &[],
        bodies: &[],
    };
    access.try_everything().await.unwrap();
}

#[tokio::test]
async fn what_may_be_asked_for_is_documented() {
    let warehouse = Warehouse::open().await;
    warehouse.service.is_documented().await.unwrap();
}
