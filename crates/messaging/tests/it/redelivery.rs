//! What is delivered again has no second effect.

use contracts::topic::Topic;

use crate::{
    handler::Recorder,
    world::{World, assert_seen_in_order, change, changes, deliveries},
};

const SKUS: usize = 10;

#[tokio::test]
async fn a_batch_delivered_again_has_its_effects_once() {
    let world = World::new().await;
    let batch = deliveries(&changes(SKUS, 1..=20));
    world.env.deliver(&batch).await;
    let consumer = world.consumer(Recorder::new());
    world.seen_are(batch.len()).await;
    world.env.deliver(&batch).await;
    // Twice in one batch, too.
    let late = deliveries(&changes(SKUS, 21..=21));
    world.env.deliver(&[&late[..], &batch[..], &late[..]].concat()).await;
    world.committed_are("stock.v1", 3 * batch.len() + 2 * late.len()).await;

    assert_seen_in_order(&world.seen().await, SKUS, 21);
    assert_eq!(world.count("inbox").await, 21 * SKUS);
    assert_eq!(world.count("outbox").await, 21 * SKUS, "each effect is told of once");
    assert_eq!(world.count("dead_letters").await, 0, "a repeat was taken for a fault");
    consumer.stop().await;
}

#[tokio::test]
async fn a_topic_read_again_from_its_beginning_has_its_effects_once() {
    let world = World::new().await;
    let relay = world.relay();
    let batch = deliveries(&changes(SKUS, 1..=20));
    world.env.deliver(&batch).await;
    let consumer = world.consumer(Recorder::new());
    world.seen_are(batch.len()).await;
    world.committed_are("stock.v1", batch.len()).await;
    consumer.stop().await;

    world.rewind("stock.v1").await;
    world.committed_are("stock.v1", 0).await;
    world.env.publish(change("sku-0", 21)).await;
    let consumer = world.consumer(Recorder::named("again"));
    let seen = world.seen_are(batch.len() + 1).await;
    world.committed_are("stock.v1", batch.len() + 1).await;
    assert_eq!(seen.iter().filter(|seen| seen.member == "again").count(), 1);
    assert_seen_in_order(&seen[..batch.len()], SKUS, 20);

    world.outbox_is_empty().await;
    let told = world.env.events(Topic::Expiration, |told| told.len() > batch.len()).await;
    assert_eq!(told.len(), batch.len() + 1);
    assert_eq!(world.count("dead_letters").await, 0, "a repeat was taken for a fault");
    assert_eq!(world.count("seen").await, batch.len() + 1);
    consumer.stop().await;
    relay.stop().await;
}
