//! 100,000 records, end to end.

use tokio::time::Instant;

use crate::{
    handler::Recorder,
    world::{PATIENCE, World, changes},
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_thousand_records_keep_the_order_of_each_key() {
    const SKUS: usize = 1000;
    const VERSIONS: u64 = 100;
    const ALL: u32 = 100_000;
    let all = usize::try_from(ALL).unwrap();
    let world = World::new().await;
    let outbox = world.outbox();
    let relay = world.relay_of(&outbox);
    let consumer = world.consumer(Recorder::new());
    let started = Instant::now();
    for version in 1..=VERSIONS {
        world.commit(&outbox, &changes(SKUS, version..=version)).await;
    }
    let committed = started.elapsed();
    test_support::eventually(2 * PATIENCE, async || {
        (world.count("seen").await >= all).then_some(())
    })
    .await;
    let took = started.elapsed();
    println!(
        "{ALL} records in {took:.1?}: {:.0}/s (committed to the outbox in {committed:.1?})",
        f64::from(ALL) / took.as_secs_f64()
    );
    let out_of_order: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM (
             SELECT version, row_number() OVER (PARTITION BY sku ORDER BY position) AS due FROM seen
         ) AS numbered WHERE version <> due",
    )
    .fetch_one(&world.pool)
    .await
    .unwrap();
    assert_eq!(out_of_order, 0);
    assert_eq!(world.count("seen").await, all);
    assert_eq!(world.count("dead_letters").await, 0);
    consumer.stop().await;
    relay.stop().await;
}
