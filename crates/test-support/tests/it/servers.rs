//! Servers keep their data, tell clearly why they do not start, and leave nothing behind.

use std::net::TcpListener;
use std::time::Duration;

use sqlx::{Connection, PgConnection};
use test_support::kafka::{NewRecord, create_topics, in_step, produce, read_until};
use test_support::stack::{Artifacts, Folders, Kafka, Postgres, checkout, free_port};
use test_support::{OwnKafka, OwnPostgres, eventually};

const DEADLINE: Duration = Duration::from_secs(30);

fn record(payload: &str) -> NewRecord {
    NewRecord {
        topic: "kept".to_owned(),
        key: Some(b"key".to_vec()),
        payload: Some(payload.as_bytes().to_vec()),
        ..NewRecord::default()
    }
}

#[tokio::test]
async fn kafka_keeps_its_records_when_stopped_and_when_killed() {
    let mut kafka = OwnKafka::start().await;
    let brokers = kafka.brokers();
    create_topics(&brokers, &["kept"], 6).await.unwrap();
    produce(&brokers, &[record("first")]).await.unwrap();
    kafka.stop().await;
    assert!(produce_fails_at_once(&brokers).await, "a stopped Kafka still answers");
    kafka.start_again().await;
    produce(&brokers, &[record("second")]).await.unwrap();
    kafka.kill().await;
    kafka.start_again().await;
    let records =
        read_until(&brokers, &["kept"], DEADLINE, |records| records.len() == 2).await.unwrap();
    let payloads: Vec<_> = records.iter().filter_map(|record| record.payload.as_deref()).collect();
    assert_eq!(payloads, [&b"first"[..], b"second"]);
}

/// The middle of three is away while records are written; it has them all once it is back.
#[tokio::test]
async fn a_cluster_goes_on_while_one_of_its_nodes_is_away() {
    let mut kafka = OwnKafka::start_nodes(3).await;
    let brokers = kafka.brokers();
    let whole = async || in_step(&brokers, 3).await.ok();
    eventually(DEADLINE, whole).await;
    create_topics(&brokers, &["kept"], 6).await.unwrap();
    eventually(DEADLINE, whole).await;
    kafka.kill_node(2).await;
    produce(&brokers, &[record("written by two")]).await.unwrap();
    eventually(DEADLINE, async || in_step(&brokers, 3).await.err()).await;
    kafka.start_again().await;
    eventually(DEADLINE, whole).await;
    let records =
        read_until(&brokers, &["kept"], DEADLINE, |records| records.len() == 1).await.unwrap();
    assert_eq!(records[0].payload.as_deref(), Some(&b"written by two"[..]));
}

async fn produce_fails_at_once(brokers: &str) -> bool {
    tokio::net::TcpStream::connect(brokers).await.is_err()
}

#[tokio::test]
async fn postgres_keeps_what_was_committed_however_it_ends() {
    let mut postgres = OwnPostgres::start().await;
    let url = postgres.url();
    let mut connection = PgConnection::connect(&url).await.unwrap();
    sqlx::raw_sql("CREATE TABLE kept (n int)").execute(&mut connection).await.unwrap();
    for round in 0..3 {
        let mut connection = PgConnection::connect(&url).await.unwrap();
        sqlx::query("INSERT INTO kept VALUES ($1)")
            .bind(round)
            .execute(&mut connection)
            .await
            .unwrap();
        match round {
            0 => postgres.stop().await,
            1 => postgres.stop_immediate().await,
            _ => postgres.kill().await,
        }
        assert!(PgConnection::connect(&url).await.is_err(), "a stopped Postgres still answers");
        postgres.start_again().await;
    }
    let mut connection = PgConnection::connect(&url).await.unwrap();
    let kept: i64 =
        sqlx::query_scalar("SELECT count(*) FROM kept").fetch_one(&mut connection).await.unwrap();
    assert_eq!(kept, 3);
    let fsync: String = sqlx::query_scalar("SHOW fsync").fetch_one(&mut connection).await.unwrap();
    assert_eq!(fsync, "on");
}

#[tokio::test]
async fn a_taken_port_is_named() {
    let artifacts = Artifacts::ensure(&checkout(), &|_| ()).await.unwrap();
    let port = free_port().unwrap();
    let _taken = TcpListener::bind(("127.0.0.1", port)).unwrap();
    let dir = checkout().join(".local/never-made");
    let kafka = Kafka::start(&artifacts, &dir, port).await.unwrap_err();
    assert_eq!(kafka.to_string(), format!("port {port}, wanted for Kafka, is taken"));
    let postgres = Postgres::start(&artifacts, &dir, port).await.unwrap_err();
    assert_eq!(postgres.to_string(), format!("port {port}, wanted for Postgres, is taken"));
}

#[tokio::test]
async fn a_server_that_cannot_start_shows_the_end_of_its_log() {
    let postgres = OwnPostgres::start().await;
    postgres.stop().await;
    let dir = postgres.dir();
    std::fs::remove_file(dir.join("data/PG_VERSION")).unwrap();
    let artifacts = Artifacts::ensure(&checkout(), &|_| ()).await.unwrap();
    let error = Postgres::start(&artifacts, &dir, free_port().unwrap()).await.unwrap_err();
    let text = format!("{error:#}");
    assert!(text.contains("Postgres ended while it started"), "{text}");
    assert!(text.contains("is not a valid data directory"), "{text}");
}

/// The handle that started it is gone, as after a kill of the run; the next start finds it.
#[tokio::test]
async fn what_a_killed_run_left_is_stopped_at_the_next_start() {
    let artifacts = Artifacts::ensure(&checkout(), &|_| ()).await.unwrap();
    let mut own = OwnPostgres::start().await;
    let dir = own.dir();
    let left = Postgres::process_in(&dir).expect("the pid file tells of it");
    let again = Postgres::start(&artifacts, &dir, free_port().unwrap()).await.unwrap();
    assert!(!left.is_alive());
    assert_ne!(left.pid(), again.process().pid());
    again.stop().await;
    assert!(Postgres::process_in(&dir).is_none());
    own.start_again().await;
}

/// The process id was given to another process since: that one is left alone.
#[tokio::test]
async fn a_stale_pid_file_ends_nobody_else() {
    let folders = Folders::new(&checkout(), &format!("stale-{}", std::process::id())).unwrap();
    let dir = folders.local();
    let mut other =
        tokio::process::Command::new("sleep").arg("60").kill_on_drop(true).spawn().unwrap();
    std::fs::write(dir.join("kafka.pid"), format!("{} 1\n", other.id().unwrap())).unwrap();
    assert!(Kafka::process_in(dir).is_none());
    Kafka::stop_in(dir).await;
    assert!(other.try_wait().unwrap().is_none(), "another process was ended");
    assert!(!dir.join("kafka.pid").exists(), "the stale file is still there");
    other.kill().await.unwrap();
    folders.remove().unwrap();
}
