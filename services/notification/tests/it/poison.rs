//! What nobody can process, on every topic the service hears of.

use messaging::Handler;
use test_support::{poison_blocks_nothing, sample};

use crate::office::Office;
use notification::Inbound;

#[tokio::test]
async fn poison_of_every_kind_is_a_dead_letter_and_what_comes_behind_it_is_processed() {
    let office = Office::with_folder().await;
    poison_blocks_nothing(&office.env, office.pool(), Inbound::HANDLES, sample).await;
}
