//! Postgres goes away and comes back.

use test_support::{OwnPostgres, TestEnv, eventually};

use crate::{
    handler::Recorder,
    world::{Measured, PATIENCE, SERVICE, World, assert_seen_in_order, changes, deliveries},
};

const SKUS: usize = 20;

#[tokio::test]
async fn batches_wait_for_postgres_and_are_no_dead_letters() {
    let measured = Measured::in_this_thread();
    let shared = TestEnv::new(SERVICE).await;
    let mut postgres = OwnPostgres::start().await;
    let env = TestEnv::on(SERVICE, &postgres.url(), shared.kafka_brokers()).await;
    let world = World::of(env).await;
    let relay = world.relay();
    let consumer = world.consumer(Recorder::new());
    let mut version = 0;
    let mut publish = async |rounds: u64| {
        world.env.deliver(&deliveries(&changes(SKUS, version + 1..=version + rounds))).await;
        version += rounds;
    };
    for immediate in [false, true] {
        publish(50).await;
        world.seen_are(1).await;
        // In the middle of the work.
        if immediate {
            postgres.stop_immediate().await;
        } else {
            postgres.stop().await;
        }
        let tried = measured.value("consumer_retries_total");
        publish(50).await;
        eventually(PATIENCE, async || {
            (measured.value("consumer_retries_total") >= tried + 3.0).then_some(())
        })
        .await;
        postgres.start_again().await;
        publish(1).await;
    }
    let all = SKUS * 202;
    let seen = world.seen_are(all).await;
    assert_seen_in_order(&seen, SKUS, 202);
    world.outbox_is_empty().await;
    assert_eq!(world.count("seen").await, all);
    assert_eq!(world.count("dead_letters").await, 0);
    assert!(!relay.is_finished() && !consumer.is_finished(), "an outage ended a task");
    consumer.stop().await;
    relay.stop().await;
}

#[tokio::test]
async fn a_consumer_stops_although_postgres_is_away() {
    let measured = Measured::in_this_thread();
    let shared = TestEnv::new(SERVICE).await;
    let mut postgres = OwnPostgres::start().await;
    let env = TestEnv::on(SERVICE, &postgres.url(), shared.kafka_brokers()).await;
    let world = World::of(env).await;
    postgres.stop().await;
    world.env.deliver(&deliveries(&changes(SKUS, 1..=1))).await;
    let consumer = world.consumer(Recorder::named("stopped"));
    eventually(PATIENCE, async || (measured.value("consumer_retries_total") >= 2.0).then_some(()))
        .await;
    consumer.stop().await;
    postgres.start_again().await;
    let consumer = world.consumer(Recorder::named("next"));
    let seen = world.seen_are(SKUS).await;
    assert!(seen.iter().all(|seen| seen.member == "next"));
    assert_eq!(world.count("dead_letters").await, 0);
    consumer.stop().await;
}
