//! A million records that wait: nothing may be read further ahead than it can be worked on.
//!
//! Relay and consumer run in processes of their own, whose memory is looked at. Not beside the other
//! tests, which would wait for it.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test ends by a panic, and this one prints what it measured"
)]

use std::process::Stdio;
use std::time::Duration;

use chrono::DateTime;
use contracts::events::{Event, EventType, StockChanged};
use contracts::topic::Topic;
use contracts::trace::TraceId;
use messaging::{
    Consumer, Handler, HandlerError, KafkaConfig, Outbox, Received, Relay, Tx, new_trace,
};
use sqlx::PgPool;
use test_support::{TestEnv, eventually};
use tokio::process::{Child, Command};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

const SERVICE: &str = "inventory";
const MILLION: i64 = 1_000_000;

/// How long there may be no progress.
const PATIENCE: Duration = Duration::from_mins(1);

/// What relay and consumer may need each, in MiB: some 15 for the program, 8 that are read ahead and 8 of one
/// batch, in more than one shape. The records are 150 MB of bodies; with all that goes with them, each
/// is several times its body in memory.
const MOST: u64 = 64;

const DATABASE: &str = "BOUTIQUE_MILLION_DATABASE_URL";
const BROKERS: &str = "BOUTIQUE_MILLION_KAFKA_BROKERS";
const PREFIX: &str = "BOUTIQUE_MILLION_TOPIC_PREFIX";

/// Counts what it is given, which costs as little as can be.
struct Tally;

impl Handler for Tally {
    const HANDLES: &'static [EventType] = &[EventType::StockChanged];

    async fn handle(&self, tx: &mut Tx, events: &[Received]) -> Result<(), HandlerError> {
        sqlx::query("UPDATE tally SET events = events + $1")
            .bind(i64::try_from(events.len()).unwrap())
            .execute(tx.conn())
            .await?;
        Ok(())
    }
}

/// What a child process works with; as one test of all, it has nothing to do.
async fn inherited() -> Option<(KafkaConfig, Outbox)> {
    let variable = |name| std::env::var(name).ok();
    let (database, brokers) = (variable(DATABASE)?, variable(BROKERS)?);
    let kafka = KafkaConfig::plaintext(brokers, variable(PREFIX)?);
    Some((kafka, Outbox::new(PgPool::connect(&database).await.unwrap(), SERVICE)))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn relay() {
    if let Some((kafka, outbox)) = inherited().await {
        Relay::new(kafka, outbox).run(CancellationToken::new()).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn consumer() {
    if let Some((kafka, outbox)) = inherited().await {
        Consumer::new(kafka, outbox, Tally).run(CancellationToken::new()).await.unwrap();
    }
}

/// This program, running one of the two above alone.
fn start(env: &TestEnv, test: &str) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test])
        .env(DATABASE, env.database_url())
        .env(BROKERS, env.kafka_brokers())
        .env(PREFIX, env.topic_prefix())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap()
}

/// The most memory that a process has had so far, in MiB.
fn peak_memory(child: &Child) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.id().unwrap())).unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    peak.trim().strip_suffix(" kB").unwrap().parse::<u64>().unwrap() / 1024
}

/// Waits until a count is what it is to be, for as long as it goes on changing.
async fn counted(pool: &PgPool, count: &'static str, wanted: i64) {
    let mut before = None;
    while before != Some(wanted) {
        let now = eventually(PATIENCE, async || {
            let now: i64 = sqlx::query_scalar(count).fetch_one(pool).await.unwrap();
            (before != Some(now)).then_some(now)
        })
        .await;
        before = Some(now);
    }
}

/// A million events in the outbox, as one transaction would have left them.
async fn fill_outbox(pool: &PgPool) {
    let event: Event = StockChanged {
        sku: "sku-0".parse().unwrap(),
        on_hand: 10,
        reserved: 0,
        available: 10,
        version: 1,
        changed_at: DateTime::UNIX_EPOCH,
        trace_id: TraceId::from_bytes([7; 16]),
    }
    .into();
    sqlx::query(
        "INSERT INTO outbox (recorded_at, records, pack)
         SELECT now(), count(*), convert_to(json_agg(json_build_object(
             'id', uuidv7(), 'topic', 'stock.v1', 'key', 'sku-' || n % 1000, 'type', 'StockChanged',
             'traceparent', $1, 'event', $2::json))::text, 'UTF8')
         FROM generate_series(1, $3) AS n GROUP BY n / 16",
    )
    .bind(new_trace().to_string())
    .bind(String::from_utf8(event.to_json()).unwrap())
    .bind(MILLION)
    .execute(pool)
    .await
    .unwrap();
}

#[tokio::test]
async fn a_million_records_drain_and_are_caught_up_with_in_bounded_memory() {
    let env = TestEnv::new(SERVICE).await;
    env.create_topics(&[Topic::Stock.name()]).await;
    let pool = env.pool().await;
    messaging::MIGRATIONS.run(&pool).await.unwrap();
    sqlx::raw_sql("CREATE TABLE tally (events bigint NOT NULL); INSERT INTO tally VALUES (0)")
        .execute(&pool)
        .await
        .unwrap();
    fill_outbox(&pool).await;

    let begun = Instant::now();
    let mut relay = start(&env, "relay");
    counted(&pool, "SELECT count(*) FROM outbox", 0).await;
    let needed = peak_memory(&relay);
    println!("published in {:.1?}, with {needed} MiB", begun.elapsed());
    assert!(needed < MOST, "the relay needed {needed} MiB");
    relay.kill().await.unwrap();

    let begun = Instant::now();
    let mut consumer = start(&env, "consumer");
    counted(&pool, "SELECT events FROM tally", MILLION).await;
    let needed = peak_memory(&consumer);
    println!("processed in {:.1?}, with {needed} MiB", begun.elapsed());
    assert!(needed < MOST, "the consumer needed {needed} MiB");
    consumer.kill().await.unwrap();
    let dead: i64 =
        sqlx::query_scalar("SELECT count(*) FROM dead_letters").fetch_one(&pool).await.unwrap();
    assert_eq!(dead, 0);
}
