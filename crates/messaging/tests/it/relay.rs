//! From a commit to the topic.

use std::{collections::HashSet, time::Duration};

use contracts::{envelope::Envelope, events::Event, topic::Topic, trace::TraceContext};
use messaging::{Outbox, key_hash, new_trace};
use serde_json::json;
use sqlx::postgres::PgPoolOptions;
use test_support::{
    event, eventually,
    kafka::{Record, read_until},
};
use tokio::time::Instant;

use crate::world::{Measured, PATIENCE, SERVICE, World, assert_in_order, change, changes};

async fn stock_records(world: &World, enough: impl FnMut(&[Record]) -> bool) -> Vec<Record> {
    let topic = world.env.topic("stock.v1");
    read_until(world.env.kafka_brokers(), &[&topic], PATIENCE, enough).await.unwrap()
}

/// As a consumer sees it: each event once, by its id.
fn deduplicated(records: &[Record]) -> Vec<(String, u64)> {
    let mut ids = HashSet::new();
    let fresh = records.iter().filter(|r| ids.insert(r.header("ce_id").unwrap().to_vec()));
    fresh
        .map(|record| match event(record) {
            Event::StockChanged(change) => (change.sku.as_str().to_owned(), change.version),
            other => panic!("a {} on stock.v1", other.event_type()),
        })
        .collect()
}

#[tokio::test]
async fn a_commit_is_published_with_its_envelope_and_a_rollback_is_not() {
    let world = World::new().await;
    let outbox = world.outbox();
    let relay = world.relay_of(&outbox);

    let mut rolled_back = outbox.begin().await.unwrap();
    rolled_back.publish(change("never", 1), &new_trace()).unwrap();
    drop(rolled_back);
    let trace = new_trace();
    let mut tx = outbox.begin().await.unwrap();
    let now = tx.now();
    tx.publish(change("a", 1), &trace).unwrap();
    tx.publish(change("a", 2), &trace).unwrap();
    tx.commit().await.unwrap();
    world.commit(&outbox, &[change("a", 3)]).await;

    world.outbox_is_empty().await;
    let records = stock_records(&world, |records| records.len() == 3).await;
    assert_eq!(deduplicated(&records), [1, 2, 3].map(|version| ("a".to_owned(), version)));

    let record = &records[0];
    assert_eq!(record.key.as_deref(), Some(&b"a"[..]));
    let header = |name: &str| std::str::from_utf8(record.header(name).unwrap()).unwrap();
    assert_eq!(header("ce_type"), "boutique.stock.v1.StockChanged");
    assert_eq!(header("ce_source"), "/boutique/inventory");
    assert_eq!(header("ce_subject"), "a");
    assert_eq!(header("ce_specversion"), "1.0");
    assert_eq!(header("content-type"), "application/json");
    assert_eq!(header("type"), "StockChanged");
    assert_eq!(header("correlationId"), "a");
    assert_eq!(header("traceId"), trace.trace_id.to_string());
    let span = TraceContext::parse(header("traceparent")).unwrap();
    assert_eq!(span, trace, "nobody is told of a step in between");
    let envelope = Envelope::parse(|name| record.header(name)).unwrap();
    assert_eq!(envelope.time, now);
    assert_eq!(record.time, Some(now.timestamp_millis()), "the database's, not this process'");
    assert_eq!(record.headers.len(), 11, "{:?}", record.headers);
    relay.stop().await;
}

/// A commit of another replica, which wakes nobody here, waits for the next poll, 100 ms after the last; one
/// of this replica does not. Measured in turn, so that a busy machine slows both.
#[tokio::test]
async fn a_commit_wakes_the_relay() {
    const COMMITS: u64 = 30;
    let measured = Measured::in_this_thread();
    let world = World::new().await;
    let (outbox, elsewhere) = (world.outbox(), world.outbox());
    let relay = world.relay_of(&outbox);
    let published_after = async |outbox: &Outbox, version| {
        let before = measured.value("outbox_published_total");
        world.commit(outbox, &[change("a", version)]).await;
        let committed = Instant::now();
        while measured.value("outbox_published_total") <= before {
            assert!(committed.elapsed() < PATIENCE, "not published");
            // A round trip in which the relay has its turn.
            world.count("outbox").await;
        }
        let took = committed.elapsed();
        // What is published is deleted later, and waiting for rows begins anew with that.
        world.outbox_is_empty().await;
        took
    };
    published_after(&outbox, 0).await;

    let (mut woken, mut polled) = (Vec::new(), Vec::new());
    for version in 1..=COMMITS {
        woken.push(published_after(&outbox, 2 * version).await);
        polled.push(published_after(&elsewhere, 2 * version + 1).await);
    }
    let median = |times: &mut Vec<Duration>| {
        times.sort_unstable();
        times[times.len() / 2]
    };
    let (woken, polled) = (median(&mut woken), median(&mut polled));
    println!("published after {woken:.1?} when woken, after {polled:.1?} by the poll");
    assert!(woken + Duration::from_millis(25) < polled, "{woken:?} when woken, {polled:?} if not");
    relay.stop().await;
}

/// A relay that is told to stop right behind a publication deletes what it has published, or its successor would publish
/// it again.
#[tokio::test]
async fn what_was_published_before_the_end_is_not_published_again() {
    let measured = Measured::in_this_thread();
    let world = World::new().await;
    let outbox = world.outbox();
    for round in 1..=5u32 {
        let relay = world.relay_of(&outbox);
        // Behind the first it waits to be woken; behind the second it waits with something to delete.
        for version in [2 * round - 1, 2 * round] {
            world.outbox_is_empty().await;
            world.commit(&outbox, &[change("a", version.into())]).await;
            let begun = Instant::now();
            while measured.value("outbox_published_total") < f64::from(version) {
                assert!(begun.elapsed() < PATIENCE, "not published");
                world.count("outbox").await;
            }
        }
        relay.stop().await;
        assert_eq!(world.count("outbox").await, 0, "left in round {round}");
    }
    assert!(measured.value("outbox_published_total") < 11.0, "published again");
}

#[tokio::test]
async fn a_keys_hash_tells_its_partition() {
    const SKUS: usize = 40;
    let world = World::new().await;
    let relay = world.relay();
    world.commit(&world.outbox(), &changes(SKUS, 1..=1)).await;
    let records = stock_records(&world, |records| records.len() == SKUS).await;
    let last = records.iter().map(|record| record.partition).max().unwrap();
    assert!(last > 0, "all in one");
    for record in records {
        let key = std::str::from_utf8(record.key.as_deref().unwrap()).unwrap();
        let told = key_hash(key) % (last.cast_unsigned() + 1);
        assert_eq!(told, record.partition.cast_unsigned(), "{key}");
    }
    relay.stop().await;
}

/// Another replica's rows are found as well, which nobody wakes the leader for.
#[tokio::test]
async fn the_leader_publishes_for_all_replicas() {
    let world = World::new().await;
    let relay = world.relay();
    world.commit(&world.outbox(), &[change("a", 1)]).await;
    world.outbox_is_empty().await;
    relay.stop().await;
}

async fn replica(world: &World, name: &str) -> Outbox {
    let url = format!("{}?application_name={name}", world.env.database_url());
    let pool = PgPoolOptions::new().max_connections(2).connect(&url).await.unwrap();
    Outbox::new(pool, SERVICE)
}

/// Name and backend of the relay that holds the lock.
async fn leader(world: &World) -> Option<(String, i32)> {
    let leaders: Vec<(String, i32)> = sqlx::query_as(
        "SELECT application_name, a.pid FROM pg_locks l JOIN pg_stat_activity a USING (pid)
         WHERE locktype = 'advisory' AND l.granted AND a.datname = current_database()",
    )
    .fetch_all(&world.pool)
    .await
    .unwrap();
    assert!(leaders.len() <= 1, "{leaders:?} lead at once");
    leaders.into_iter().next()
}

#[tokio::test]
async fn leaders_come_and_go_and_nothing_is_lost_or_reordered() {
    const SKUS: usize = 20;
    let world = World::new().await;
    let a = world.relay_of(&replica(&world, "a").await);
    let b = world.relay_of(&replica(&world, "b").await);
    let mut version = 0;
    let mut publish_more = async || {
        for _ in 0..10 {
            version += 1;
            world.commit(&world.outbox(), &changes(SKUS, version..=version)).await;
        }
        version
    };

    // Its connection is cut in the middle of the work, again and again.
    for _ in 0..5 {
        publish_more().await;
        let (_, pid) = eventually(PATIENCE, async || leader(&world).await).await;
        sqlx::query("SELECT pg_terminate_backend($1)")
            .bind(pid)
            .execute(&world.pool)
            .await
            .unwrap();
        publish_more().await;
        eventually(PATIENCE, async || leader(&world).await.filter(|(_, new)| *new != pid)).await;
    }
    // It stops: the other one has to take over.
    let (name, _) = eventually(PATIENCE, async || leader(&world).await).await;
    let (stopped, left, successor) = if name == "a" { (a, b, "b") } else { (b, a, "a") };
    stopped.stop().await;
    let last = publish_more().await;
    world.outbox_is_empty().await;
    assert_eq!(leader(&world).await.unwrap().0, successor);

    let all = SKUS * usize::try_from(last).unwrap();
    let mut ids = HashSet::new();
    let records = stock_records(&world, |records| {
        ids.extend(records.last().map(|record| record.header("ce_id").unwrap().to_vec()));
        ids.len() >= all
    })
    .await;
    assert_in_order(deduplicated(&records), SKUS, last);
    left.stop().await;
}

/// It is named in the error, and the row is never written.
#[tokio::test]
async fn an_event_too_large_for_the_brokers_is_refused_at_once() {
    use contracts::events::{Line, OrderCreated};
    let world = World::new().await;
    let line = Line { sku: "s".repeat(64).parse().unwrap(), qty: 1 };
    let order = OrderCreated {
        order_id: contracts::ids::OrderId::from_uuid(uuid::Uuid::now_v7()),
        customer_id: contracts::ids::CustomerId::from_uuid(uuid::Uuid::now_v7()),
        items: vec![line; 12_000],
        total: "1.00".parse().unwrap(),
        currency: "EUR".parse().unwrap(),
        created_at: chrono::DateTime::UNIX_EPOCH,
        expires_at: chrono::DateTime::UNIX_EPOCH,
        payment_method: None,
        trace_id: new_trace().trace_id,
    };
    let mut tx = world.outbox().begin().await.unwrap();
    let error = tx.publish(order.clone(), &new_trace()).unwrap_err();
    assert!(error.to_string().contains(&order.order_id.to_string()), "{error}");
    tx.commit().await.unwrap();
    assert_eq!(world.count("outbox").await, 0);
    assert_eq!(Event::from(order).topic(), Topic::Orders);
}

/// After a roll-back, an older version leads over what a newer one has left.
#[tokio::test]
async fn an_event_of_a_type_that_came_later_is_published_as_it_is_and_holds_up_nothing() {
    let world = World::new().await;
    let outbox = world.outbox();
    world.commit(&outbox, &[change("a", 1)]).await;
    let trace = new_trace();
    sqlx::query(
        "INSERT INTO outbox (recorded_at, records, pack) VALUES (now(), 1, convert_to($1, 'UTF8'))",
    )
    .bind(
        json!([{
            "id": uuid::Uuid::now_v7(), "topic": "stock.v1", "key": "a", "type": "StockCounted",
            "traceparent": trace.to_string(), "event": {"type": "StockCounted"}, "later": 1
        }])
        .to_string(),
    )
    .execute(&world.pool)
    .await
    .unwrap();
    world.commit(&outbox, &[change("a", 2)]).await;

    let relay = world.relay();
    world.outbox_is_empty().await;
    let records = stock_records(&world, |records| records.len() == 3).await;
    let header = |at: usize, name| std::str::from_utf8(records[at].header(name).unwrap()).unwrap();
    assert_eq!(
        [0, 1, 2].map(|at| header(at, "type")),
        ["StockChanged", "StockCounted", "StockChanged"]
    );
    assert_eq!(header(1, "ce_type"), "boutique.stock.v1.StockCounted");
    assert_eq!(header(1, "ce_source"), "/boutique/inventory");
    assert_eq!(header(1, "traceparent"), trace.to_string());
    assert_eq!(header(1, "traceId"), trace.trace_id.to_string());
    assert_eq!([header(1, "ce_subject"), header(1, "correlationId")], ["a", "a"]);
    assert_eq!(records[1].headers.len(), records[0].headers.len());
    assert_eq!(records[1].payload.as_deref(), Some(&br#"{"type":"StockCounted"}"#[..]));
    relay.stop().await;
}
