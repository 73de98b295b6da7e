//! The operators' command line against real brokers.

#![allow(clippy::unwrap_used, reason = "a test fails by a panic")]

use std::process::{Command, Output};

use contracts::topic::Topic;
use test_support::TestEnv;
use test_support::events::{created, new_order};
use test_support::kafka::{NewRecord, produce};

fn boutique(env: &TestEnv, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_boutique"))
        .env_clear()
        .env("KAFKA_BROKERS", env.kafka_brokers())
        .env("KAFKA_TOPIC_PREFIX", env.topic_prefix())
        // Nothing listens there.
        .env("SERVICE_URLS", "orders=http://127.0.0.1:1")
        .args(arguments)
        .output()
        .unwrap()
}

fn text(output: &Output) -> String {
    let text = [output.stdout.clone(), output.stderr.clone()].concat();
    String::from_utf8(text).unwrap()
}

#[tokio::test]
async fn topics_are_made_once_and_listed() {
    let env = TestEnv::new("orders").await;
    let missing = text(&boutique(&env, &["topics"]));
    assert!(missing.contains("missing: users.v1"), "{missing}");

    let create = ["topics", "create", "--partitions", "2", "--replication", "1"];
    let made = boutique(&env, &create);
    assert!(made.status.success(), "{}", text(&made));
    assert!(text(&made).contains("orders.v1: made, 2 partitions"), "{}", text(&made));
    let again = boutique(&env, &create);
    assert!(again.status.success(), "{}", text(&again));
    assert!(text(&again).contains("orders.dlq.v1: was there"), "{}", text(&again));

    let listed = text(&boutique(&env, &["topics"]));
    let orders = listed.lines().find(|line| line.starts_with("orders.v1 ")).unwrap();
    let cells: Vec<_> = orders.split_whitespace().collect();
    assert_eq!(cells, ["orders.v1", "2", "1", "0", "0"]);
    assert!(!listed.contains("missing"), "{listed}");
    let lag = boutique(&env, &["lag"]);
    assert!(lag.status.success(), "{}", text(&lag));
}

#[tokio::test]
async fn what_cannot_be_read_of_an_order_is_counted_behind_its_story() {
    let env = TestEnv::new("orders").await;
    env.create_all_topics().await;
    let order = new_order();
    env.publish(created(order)).await;
    let spoilt = |topic: Topic| NewRecord {
        topic: env.topic(topic.name()),
        key: Some(order.to_string().into_bytes()),
        payload: Some(b"{".to_vec()),
        ..NewRecord::default()
    };
    let records = [Topic::Payments, Topic::Inventory, Topic::Payments].map(spoilt);
    produce(env.kafka_brokers(), &records).await.unwrap();

    let output = boutique(&env, &["order", "trace", &order.to_string()]);
    assert!(output.status.success(), "{}", text(&output));
    let [out, err] = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
    assert!(out.contains("OrderCreated"), "{out}");
    let complaints: Vec<_> =
        err.lines().filter(|line| line.contains("could not be read")).collect();
    assert_eq!(
        complaints,
        [
            "1 record on inventory.v1 could not be read",
            "2 records on payments.v1 could not be read"
        ]
    );
}

#[tokio::test]
async fn what_cannot_be_done_is_told_with_its_reason() {
    let env = TestEnv::new("orders").await;
    for (arguments, reason) in [
        (&["topics", "create", "--replication", "9"][..], "cannot make the topic"),
        (&["order", "trace", "ord_01h455vb4pex5vsknk084sn02q"][..], "no topic tells of ord_"),
        (&["order", "trace", "cust_01h455vb4pex5vsknk084sn02q"][..], "ord_"),
        (
            &["topics", "create", "--replication", "1", "--partitions", "0"][..],
            "0 is not in 1..=1000",
        ),
    ] {
        let output = boutique(&env, arguments);
        assert!(!output.status.success(), "{arguments:?}");
        assert!(text(&output).contains(reason), "{arguments:?}: {}", text(&output));
    }
    let silent = text(&boutique(&env, &["outbox"]));
    assert!(
        silent.lines().any(|line| line.starts_with("orders ") && line.contains('?')),
        "{silent}"
    );
}
