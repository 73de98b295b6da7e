//! A consumer that is told to stop.

use std::time::Duration;

use tokio::time::Instant;

use crate::{
    handler::{Gate, Recorder},
    world::{World, assert_seen_in_order, changes, deliveries},
};

const SKUS: usize = 30;

#[tokio::test]
async fn the_batch_in_hand_is_committed_and_the_group_left_at_once() {
    let world = World::new().await;
    world.env.deliver(&deliveries(&changes(SKUS, 1..=1))).await;
    let gate = Gate::closed();
    let first = world.consumer(Recorder::named("first").gated(&gate));
    gate.reached().await;
    first.cancel();
    gate.open();
    first.stop().await;
    let seen = world.seen().await;
    assert!(!seen.is_empty(), "the batch in hand was thrown away");
    assert_eq!(world.committed("stock.v1").await, seen.len(), "the offsets are behind");
    assert_eq!(world.group_state().await.1, 0, "it is still a member");

    // So nobody waits for the session of the first one to time out.
    world.env.deliver(&deliveries(&changes(SKUS, 2..=2))).await;
    let second = world.consumer(Recorder::named("second"));
    let seen = world.seen_are(2 * SKUS).await;
    assert_seen_in_order(&seen, SKUS, 2);
    second.stop().await;
}

#[tokio::test]
async fn an_idle_consumer_and_relay_stop_at_once() {
    let world = World::new().await;
    let (consumer, relay, standby) =
        (world.consumer(Recorder::new()), world.relay(), world.relay());
    world.env.deliver(&deliveries(&changes(1, 1..=1))).await;
    world.seen_are(1).await;
    // Each waits three seconds for brokers that do not answer: nobody does here.
    let started = Instant::now();
    tokio::join!(relay.stop(), standby.stop());
    assert!(started.elapsed() < Duration::from_secs(3), "{:?}", started.elapsed());
    consumer.stop().await;
    assert_eq!(world.group_state().await.1, 0, "it left without a word");
}
