//! A process killed after the database committed and before Kafka knew.

use std::process::Stdio;

use messaging::{Consumer, KafkaConfig, Outbox};
use sqlx::PgPool;
use tokio::process::{Child, Command};
use tokio_util::sync::CancellationToken;

use crate::{
    handler::Recorder,
    world::{SERVICE, World, assert_seen_in_order, changes, deliveries},
};

const DATABASE: &str = "BOUTIQUE_CRASH_DATABASE_URL";
const BROKERS: &str = "BOUTIQUE_CRASH_KAFKA_BROKERS";
const PREFIX: &str = "BOUTIQUE_CRASH_TOPIC_PREFIX";

/// The process to be killed; without its variables this test does nothing.
#[tokio::test]
async fn child() {
    let (Ok(database), Ok(brokers), Ok(topic_prefix)) =
        (std::env::var(DATABASE), std::env::var(BROKERS), std::env::var(PREFIX))
    else {
        return;
    };
    let outbox = Outbox::new(PgPool::connect(&database).await.unwrap(), SERVICE);
    let consumer = Consumer::new(
        KafkaConfig::plaintext(brokers, topic_prefix),
        outbox,
        Recorder::named("child"),
    );
    consumer.run(CancellationToken::new()).await.unwrap();
}

fn start_child(world: &World) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "crash::child"])
        .env(DATABASE, world.env.database_url())
        .env(BROKERS, world.env.kafka_brokers())
        .env(PREFIX, world.env.topic_prefix())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap()
}

#[tokio::test]
async fn a_kill_between_database_and_offset_commit_loses_and_doubles_nothing() {
    const SKUS: usize = 5;
    const ROUNDS: u64 = 5;
    let world = World::new().await;
    let mut published = 0;
    let mut behind = 0;
    // Offsets follow within two seconds: a kill right after the effects is nearly always between.
    for round in 1..=ROUNDS {
        let mut child = start_child(&world);
        let batch = deliveries(&changes(SKUS, round..=round));
        world.env.deliver(&batch).await;
        published += batch.len();
        world.seen_are(published).await;
        child.kill().await.unwrap();
        behind = published - world.committed("stock.v1").await;
        if behind > 0 {
            break;
        }
    }
    assert!(behind > 0, "no kill fell between the two commits");

    let last = u64::try_from(published / SKUS).unwrap() + 1;
    let more = deliveries(&changes(SKUS, last..=last));
    world.env.deliver(&more).await;
    let consumer = world.consumer(Recorder::named("after"));
    let seen = world.seen_are(published + SKUS).await;
    world.committed_are("stock.v1", published + SKUS).await;
    assert_seen_in_order(&seen, SKUS, last);
    assert_eq!(world.count("seen").await, published + SKUS);
    assert_eq!(world.count("outbox").await, published + SKUS);
    assert!(seen.iter().rev().take(SKUS).all(|seen| seen.member == "after"));
    consumer.stop().await;
}
