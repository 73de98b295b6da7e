//! Each test has a database, roles and topics of its own.

use std::time::Duration;

use contracts::topic::Topic;
use sqlx::{Connection, PgConnection};
use test_support::events::{created, new_order};
use test_support::kafka::{NewRecord, produce, read_until};
use test_support::{Delivery, TestEnv};

#[tokio::test]
async fn a_role_reaches_its_own_schema_only() {
    let env = TestEnv::new("orders").await;
    let payments = env.database_url_of("payments").await;
    let pool = env.pool().await;
    sqlx::raw_sql("CREATE TABLE secrets (n int)").execute(&pool).await.unwrap();
    let schema: String =
        sqlx::query_scalar("SELECT current_schema()").fetch_one(&pool).await.unwrap();
    assert_eq!(schema, "orders");

    let mut other = PgConnection::connect(&payments).await.unwrap();
    for denied in [
        "SELECT * FROM orders.secrets",
        "CREATE TABLE public.t (n int)",
        "CREATE SCHEMA more",
        "CREATE TEMPORARY TABLE t (n int)",
        "CREATE ROLE r",
    ] {
        let error = sqlx::raw_sql(denied).execute(&mut other).await.unwrap_err();
        let code = error.as_database_error().and_then(|error| error.code().map(String::from));
        assert_eq!(code.as_deref(), Some("42501"), "{denied}: {error}");
    }
}

#[tokio::test]
async fn no_role_can_take_all_connections_of_the_server() {
    let pool = TestEnv::new("orders").await.pool().await;
    let limit = "SELECT rolconnlimit FROM pg_roles WHERE rolname = current_user";
    let limit: i32 = sqlx::query_scalar(limit).fetch_one(&pool).await.unwrap();
    assert_eq!(limit, 60);
}

#[tokio::test]
async fn a_role_of_another_test_cannot_get_in() {
    let (first, second) = (TestEnv::new("orders").await, TestEnv::new("orders").await);
    let database = second.superuser_url().rsplit_once('/').unwrap().1.to_owned();
    let url = first.database_url().rsplit_once('/').unwrap().0.to_owned() + "/" + &database;
    assert!(PgConnection::connect(&url).await.is_err());
    assert_ne!(first.topic_prefix(), second.topic_prefix());
}

#[tokio::test]
async fn records_come_back_as_they_were_written() {
    let env = TestEnv::new("orders").await;
    env.create_topics(&["orders.v1", "payments.v1"]).await;
    let topic = env.topic("orders.v1");
    let written = NewRecord {
        topic: topic.clone(),
        partition: None,
        key: Some(b"ord_1".to_vec()),
        headers: vec![("type".to_owned(), b"OrderCreated".to_vec())],
        payload: None,
    };
    let places = produce(env.kafka_brokers(), &[written.clone(), written]).await.unwrap();
    let records =
        read_until(env.kafka_brokers(), &[&topic], Duration::from_secs(10), |r| r.len() == 2)
            .await
            .unwrap();
    for (record, (partition, offset)) in records.iter().zip(places) {
        assert_eq!((record.partition, record.offset), (partition, offset));
        assert_eq!(record.key.as_deref(), Some(&b"ord_1"[..]));
        assert_eq!(record.header("type"), Some(&b"OrderCreated"[..]));
        assert_eq!(record.payload, None);
    }
}

#[tokio::test]
async fn an_event_that_was_delivered_again_is_read_once() {
    let env = TestEnv::new("orders").await;
    env.create_topics_of(&["orders.v1"], 1).await;
    let (first, last) = (Delivery::new(created(new_order())), Delivery::new(created(new_order())));
    env.deliver(&[first.clone(), first.clone(), last.clone()]).await;
    let read = env.events(Topic::Orders, |events| events.contains(&last.event)).await;
    assert_eq!(read, [first.event, last.event]);
}

#[tokio::test]
async fn reading_gives_up_at_its_deadline() {
    let env = TestEnv::new("orders").await;
    env.create_topics(&["orders.v1"]).await;
    let topic = env.topic("orders.v1");
    let error =
        read_until(env.kafka_brokers(), &[&topic], Duration::from_millis(200), |r| !r.is_empty())
            .await
            .unwrap_err();
    assert!(error.to_string().contains("0 records came"), "{error}");
}
