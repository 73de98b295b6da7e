//! What nobody can process, on every topic the service hears of.

use messaging::Handler;
use test_support::{poison_blocks_nothing, sample};

use crate::shop::Shop;
use products::Inbound;

#[tokio::test]
async fn poison_of_every_kind_is_a_dead_letter_and_what_comes_behind_it_is_processed() {
    let shop = Shop::open().await;
    poison_blocks_nothing(&shop.env, &shop.service.pool, Inbound::HANDLES, sample).await;
}
