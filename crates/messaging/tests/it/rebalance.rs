//! Members that come and go while batches are on their way.

use std::{collections::VecDeque, sync::Arc};

use test_support::eventually;
use tokio_util::sync::CancellationToken;

use crate::{
    handler::{Gate, Recorder},
    world::{PATIENCE, World, assert_seen_in_order, changes, deliveries},
};

/// Enough products that every partition has some.
const SKUS: usize = 60;

async fn publish(world: &World, version: u64) {
    world.env.deliver(&deliveries(&changes(SKUS, version..=version))).await;
}

/// Waits until the group is `state` with so many members.
async fn group_is(world: &World, state: &str, members: usize) {
    eventually(PATIENCE, async || {
        let group = world.group_state().await;
        (group == (state.to_owned(), members)).then_some(())
    })
    .await;
}

async fn ends_in_order(world: &World, last: u64) {
    let all = SKUS * usize::try_from(last).unwrap();
    let seen = world.seen_are(all).await;
    assert_seen_in_order(&seen, SKUS, last);
    world.committed_are("stock.v1", all).await;
    assert_eq!(world.count("seen").await, all);
    assert_eq!(world.count("outbox").await, all);
    assert_eq!(world.count("dead_letters").await, 0);
}

async fn members_seen(world: &World, version: i64) -> Vec<String> {
    sqlx::query_scalar("SELECT DISTINCT member FROM seen WHERE version = $1 ORDER BY member")
        .bind(version)
        .fetch_all(&world.pool)
        .await
        .unwrap()
}

/// The group waits for the batch in hand: it is committed by the member that began it.
#[tokio::test]
async fn a_short_batch_is_drained_before_its_partitions_move() {
    let world = World::new().await;
    publish(&world, 1).await;
    let gate = Gate::closed();
    let a = world.consumer(Recorder::named("a").gated(&gate));
    gate.reached().await;
    let b = world.consumer(Recorder::named("b"));
    eventually(PATIENCE, async || (world.group_state().await.0 != "Stable").then_some(())).await;
    gate.open();
    group_is(&world, "Stable", 2).await;
    world.seen_are(SKUS).await;
    publish(&world, 2).await;
    ends_in_order(&world, 2).await;
    assert_eq!(members_seen(&world, 2).await, ["a", "b"]);
    a.stop().await;
    b.stop().await;
}

/// The group does not wait for ever: what moves is rolled back here and done there, and what comes
/// back later is read on, although it was paused when it left.
#[tokio::test]
async fn a_long_batch_gives_up_what_moves_and_keeps_the_rest() {
    let world = World::new().await;
    publish(&world, 1).await;
    let gate = Gate::closed();
    let a = world.consumer(Recorder::named("a").gated(&gate));
    gate.reached().await;
    let b = world.consumer(Recorder::named("b"));
    // `b` gets its half although `a` still has all in one batch.
    let by_b = eventually(PATIENCE, async || {
        let seen = world.seen().await;
        (!seen.is_empty() && world.group_state().await == ("Stable".to_owned(), 2)).then_some(seen)
    })
    .await;
    assert!(by_b.iter().all(|seen| seen.member == "b"), "{by_b:?}");
    assert!(by_b.len() < SKUS);

    // Its half comes back while `a` is still at it.
    b.stop().await;
    group_is(&world, "Stable", 1).await;
    publish(&world, 2).await;
    gate.open();
    ends_in_order(&world, 2).await;

    // Nothing stands still from then on.
    publish(&world, 3).await;
    ends_in_order(&world, 3).await;
    assert_eq!(members_seen(&world, 3).await, ["a"]);
    a.stop().await;
}

/// `a` pauses what it has for a long batch, loses a part of it, ends the batch, and gets the part back.
#[tokio::test]
async fn what_was_paused_when_it_left_flows_when_it_comes_back() {
    let world = World::new().await;
    publish(&world, 1).await;
    let gate = Gate::closed();
    let a = world.consumer(Recorder::named("a").gated(&gate));
    gate.reached().await;
    let b = world.consumer(Recorder::named("b"));
    group_is(&world, "Stable", 2).await;
    gate.open();
    ends_in_order(&world, 1).await;
    b.stop().await;
    publish(&world, 2).await;
    ends_in_order(&world, 2).await;
    assert_eq!(members_seen(&world, 2).await, ["a"]);
    a.stop().await;
}

/// Members come and go under load, and half of them have a first batch that takes longer than the group
/// waits for.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn members_come_and_go_under_load() {
    let world = Arc::new(World::new().await);
    let enough = CancellationToken::new();
    let publishing = tokio::spawn({
        let (world, enough) = (Arc::clone(&world), enough.clone());
        async move {
            let mut version = 0;
            while !enough.is_cancelled() {
                version += 1;
                publish(&world, version).await;
            }
            version
        }
    });
    let mut members = VecDeque::from([world.consumer(Recorder::named("0"))]);
    for (name, slow) in [("1", true), ("2", false), ("3", true), ("4", false)] {
        let gate = Gate::closed();
        members.push_back(world.consumer(Recorder::named(name).gated(&gate)));
        if slow {
            group_is(&world, "Stable", members.len()).await;
        }
        gate.open();
        let before = world.count("seen").await;
        eventually(PATIENCE, async || (world.count("seen").await > before).then_some(())).await;
        if members.len() > 2 {
            members.pop_front().unwrap().stop().await;
        }
    }
    enough.cancel();
    let last = publishing.await.unwrap();
    ends_in_order(&world, last).await;
    for member in members {
        member.stop().await;
    }
}
