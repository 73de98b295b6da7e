//! How long an event takes while nothing else happens.

use std::time::Duration;

use tokio::time::Instant;

use crate::{
    handler::Recorder,
    world::{PATIENCE, World, change},
};

/// From the commit of its cause to the commit of its effect. The bound is far above what is usual and
/// below what any of the polls and waits on the way would cost. It grows with the time of a round trip to
/// the database, of which some fifteen are on the way: a busy machine is no wait.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_idle_service_reacts_at_once() {
    const EVENTS: u16 = 200;
    let world = World::new().await;
    let outbox = world.outbox();
    let relay = world.relay_of(&outbox);
    let consumer = world.consumer(Recorder::new());
    world.commit(&outbox, &[change("first", 1)]).await;
    world.seen_are(1).await;

    let (mut took, mut trips) = (Vec::new(), Vec::new());
    for done in 1..=EVENTS {
        world.commit(&outbox, &[change("a", done.into())]).await;
        let committed = Instant::now();
        while world.count("seen").await <= usize::from(done) {
            assert!(committed.elapsed() < PATIENCE, "no effect");
        }
        took.push(committed.elapsed());
        let asked = Instant::now();
        world.count("seen").await;
        trips.push(asked.elapsed());
    }
    took.sort_unstable();
    trips.sort_unstable();
    let (median, p95) = (took[took.len() / 2], took[took.len() * 95 / 100]);
    let trip = trips[trips.len() / 2];
    println!("commit to commit: median {median:.1?}, 95 % {p95:.1?}; a round trip: {trip:.1?}");
    assert!(median < Duration::from_millis(60) + 15 * trip, "median {median:?}, trip {trip:?}");
    consumer.stop().await;
    relay.stop().await;
}
