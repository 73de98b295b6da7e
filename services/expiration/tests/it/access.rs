//! Who may do what.

use service_kit::testing::{Access, TestCaller};

use crate::world::World;

#[tokio::test]
async fn there_is_nothing_to_ask_for() {
    let service = World::new().await.start().await;
    let access = Access {
        service: &service,
        public: &[],
        owner: &TestCaller::customer().unwrap(),
        stranger: &TestCaller::customer().unwrap(),
        owned: &[],
        bodies: &[],
    };
    access.try_everything().await.unwrap();
}

#[tokio::test]
async fn what_may_be_asked_for_is_documented() {
    let service = World::new().await.start().await;
    service.is_documented().await.unwrap();
}
