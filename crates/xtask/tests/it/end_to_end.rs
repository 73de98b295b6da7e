use anyhow::{Result, ensure};
use xtask::{
    audit,
    binaries::Profile,
    crowd::{self, Crowd},
    demo,
    shop::Shop,
    stack,
};

use crate::alone;

/// Orders placed at once after the scenarios.
const ORDERS: usize = 300;

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_of_order_ends_as_it_should_and_everything_adds_up() -> Result<()> {
    let _alone = alone().await;
    stack::with(
        demo::stage("end-to-end", Profile::Debug),
        async |stack::Stack { description, .. }| {
            let shop = Shop::new(description.urls())?;
            let (passed, failed) = demo::run(&shop, &description.admin).await?;
            ensure!(failed == 0, "{failed} of {} checks failed", passed + failed);

            let sku = crowd::stocked_sku(&shop, &description.admin).await?;
            let burst = Crowd::gather(&shop).await?.burst(&shop, &sku, ORDERS, 16).await?;
            ensure!(burst.accepted == ORDERS && burst.ended == ORDERS, "{burst:?}");
            audit::settled(description).await
        },
    )
    .await
}
