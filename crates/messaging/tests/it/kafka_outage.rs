//! Kafka goes away and comes back.

use test_support::{OwnKafka, TestEnv, eventually};

use crate::{
    handler::Recorder,
    world::{Measured, PATIENCE, SERVICE, World, assert_seen_in_order, changes},
};

const SKUS: usize = 20;

#[tokio::test]
async fn nothing_is_lost_or_reordered_while_kafka_is_away() {
    let measured = Measured::in_this_thread();
    let shared = TestEnv::new(SERVICE).await;
    let mut kafka = OwnKafka::start().await;
    let env = TestEnv::on(SERVICE, &shared.superuser_url(), &kafka.brokers()).await;
    let world = World::of(env).await;
    let outbox = world.outbox();
    let mut relay = world.relay_of(&outbox);
    let consumer = world.consumer(Recorder::new());
    let mut version = 0;
    let mut commit = async |rounds: u64| {
        for _ in 0..rounds {
            version += 1;
            world.commit(&outbox, &changes(SKUS, version..=version)).await;
        }
    };
    for kill in [false, true] {
        commit(30).await;
        // In the middle of the work: most of it is neither published nor consumed yet.
        if kill {
            kafka.kill().await;
        } else {
            kafka.stop().await;
        }
        commit(30).await;
        let age = "outbox_oldest_row_age_seconds";
        eventually(PATIENCE, async || (measured.value(age) > 2.0).then_some(())).await;
        assert!(world.count("outbox").await >= 30 * SKUS, "deleted without Kafka");
        if kill {
            // What a relay has in hand is not lost with it. The second one has only what Kafka never saw.
            for _ in 0..2 {
                relay.stop().await;
                let before = measured.value(age);
                relay = world.relay_of(&outbox);
                eventually(PATIENCE, async || (measured.value(age) > before + 1.0).then_some(()))
                    .await;
            }
        }
        kafka.start_again().await;
        commit(10).await;
        world.outbox_is_empty().await;
        eventually(PATIENCE, async || (measured.value(age) == 0.0).then_some(())).await;
    }
    let all = SKUS * 140;
    let seen = world.seen_are(all).await;
    assert_seen_in_order(&seen, SKUS, 140);
    assert_eq!(world.count("seen").await, all);
    assert_eq!(world.count("dead_letters").await, 0);
    assert!(!relay.is_finished() && !consumer.is_finished(), "an outage ended a task");
    consumer.stop().await;
    relay.stop().await;
}
