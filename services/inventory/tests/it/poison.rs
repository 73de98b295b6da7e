//! What nobody can process, on every topic the service hears of.

use messaging::Handler;
use test_support::{poison_blocks_nothing, sample};

use crate::warehouse::Warehouse;
use inventory::Inbound;

#[tokio::test]
async fn poison_of_every_kind_is_a_dead_letter_and_what_comes_behind_it_is_processed() {
    let warehouse = Warehouse::open().await;
    let pool = &warehouse.service.pool;
    poison_blocks_nothing(&warehouse.env, pool, Inbound::HANDLES, sample).await;
}
