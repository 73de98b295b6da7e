//! What is tried again, how often, and what becomes of it.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use test_support::eventually;

use crate::{
    handler::{Reaction, Recorder},
    world::{PATIENCE, World, assert_seen_in_order, change, deliveries},
};

/// One key, so one partition and one batch.
async fn publish(world: &World, versions: std::ops::RangeInclusive<u64>) {
    let changes: Vec<_> = versions.map(|version| change("a", version)).collect();
    world.env.deliver(&deliveries(&changes)).await;
}

fn counter() -> (Arc<AtomicUsize>, Arc<AtomicUsize>) {
    let counter = Arc::new(AtomicUsize::new(0));
    (Arc::clone(&counter), counter)
}

#[tokio::test]
async fn a_transient_failure_is_never_a_dead_letter_not_even_at_shutdown() {
    let world = World::new().await;
    publish(&world, 1..=10).await;
    let (count, tries) = counter();
    let consumer = world.consumer(Recorder::named("failing").reacting(move |change| {
        if change.version == 5 {
            count.fetch_add(1, Ordering::Relaxed);
            return Reaction::Transient;
        }
        Reaction::Record
    }));
    eventually(PATIENCE, async || (tries.load(Ordering::Relaxed) >= 6).then_some(())).await;
    consumer.stop().await;
    assert_eq!(world.count("dead_letters").await, 0);
    assert_eq!(world.count("outbox").await, world.count("seen").await);
    assert!(world.count("seen").await < 5, "a later record overtook");
    assert!(world.committed("stock.v1").await < 5, "the offset was committed past it");

    let consumer = world.consumer(Recorder::named("mended"));
    assert_seen_in_order(&world.seen_are(10).await, 1, 10);
    assert_eq!(world.count("dead_letters").await, 0);
    consumer.stop().await;
}

#[tokio::test]
async fn a_conflict_that_passes_is_no_dead_letter() {
    let world = World::new().await;
    // Alone, so that each time it is tried the whole batch is.
    publish(&world, 1..=1).await;
    let (count, _) = counter();
    let consumer = world.consumer(Recorder::new().reacting(move |_| {
        if count.fetch_add(1, Ordering::Relaxed) < 3 {
            Reaction::Conflict
        } else {
            Reaction::Record
        }
    }));
    assert_seen_in_order(&world.seen_are(1).await, 1, 1);
    assert_eq!(world.count("dead_letters").await, 0);
    consumer.stop().await;
}

/// The record behind it conflicts once, just when it is looked at by itself: that one is not at fault.
#[tokio::test]
async fn a_conflict_for_ever_is_a_dead_letter_of_that_record_alone() {
    let world = World::new().await;
    publish(&world, 1..=6).await;
    let (count, _) = counter();
    let consumer = world.consumer(Recorder::new().reacting(move |change| match change.version {
        5 => Reaction::Conflict,
        6 if count.fetch_add(1, Ordering::Relaxed) == 0 => Reaction::Conflict,
        _ => Reaction::Record,
    }));
    let seen = world.seen_are(5).await;
    let versions: Vec<_> = seen.iter().map(|seen| seen.version).collect();
    assert_eq!(versions, [1, 2, 3, 4, 6]);
    let dead = world.dead_letters().await;
    assert_eq!(dead.len(), 1, "{dead:?}");
    assert!(dead[0].attempts > 1, "{dead:?}");
    assert!(dead[0].errors[0].contains("conflict"), "{dead:?}");
    assert!(dead[0].errors.last().unwrap().contains("seen_event_id_key"), "{dead:?}");
    consumer.stop().await;
}

/// Postgres answers the commit of a failed transaction with a silent rollback: the batch must not count
/// as done.
#[tokio::test]
async fn an_error_of_postgres_that_the_handler_passes_over_loses_nothing() {
    let world = World::new().await;
    publish(&world, 1..=1).await;
    let consumer = world.consumer(Recorder::new().reacting(|change| match change.version {
        1 | 5 => Reaction::Swallow,
        _ => Reaction::Record,
    }));
    eventually(PATIENCE, async || (world.count("dead_letters").await == 1).then_some(())).await;
    publish(&world, 2..=10).await;
    let seen = world.seen_are(8).await;
    let versions: Vec<_> = seen.iter().map(|seen| seen.version).collect();
    assert_eq!(versions, [2, 3, 4, 6, 7, 8, 9, 10]);
    assert_eq!(world.count("dead_letters").await, 2);
    consumer.stop().await;
}
