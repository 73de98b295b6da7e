//! What nobody can process, on every topic the service hears of.

use messaging::Handler;
use test_support::{poison_blocks_nothing, sample};

use crate::world::World;
use expiration::Inbound;

#[tokio::test]
async fn poison_of_every_kind_is_a_dead_letter_and_what_comes_behind_it_is_processed() {
    let world = World::new().await;
    let service = world.start().await;
    poison_blocks_nothing(&world.env, &world.pool, Inbound::HANDLES, sample).await;
    service.stop().await.unwrap();
}
