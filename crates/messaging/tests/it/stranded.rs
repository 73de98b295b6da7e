//! Clients that were told of no broker.

mod forgetful;

use contracts::{events::ExpirationCompleted, ids::OrderId};
use messaging::new_trace;
use test_support::{OwnKafka, TestEnv};
use uuid::Uuid;

use self::forgetful::Forgetful;
use crate::{
    handler::Recorder,
    tail::{heard_are, tail},
    world::{SERVICE, World, assert_in_order, assert_seen_in_order, changes, deliveries},
};

const SKUS: usize = 20;

/// A world whose way to Kafka can forget the brokers.
async fn world() -> (World, OwnKafka, Forgetful) {
    let shared = TestEnv::new(SERVICE).await;
    let (listener, port) = Forgetful::listen().await;
    let kafka = OwnKafka::start_behind(port).await;
    let way = Forgetful::start(listener, &kafka.brokers());
    let env = TestEnv::on(SERVICE, &shared.superuser_url(), &kafka.brokers()).await;
    (World::of(env).await, kafka, way)
}

/// Kafka goes away, having told of no broker, and comes back.
async fn restart(kafka: &mut OwnKafka, way: &Forgetful) {
    kafka.stop().await;
    way.remember();
    kafka.start_again().await;
}

#[tokio::test]
async fn a_consumer_that_was_told_of_no_broker_joins_anew() {
    let (world, mut kafka, mut way) = world().await;
    let consumer = world.consumer(Recorder::new());
    world.env.deliver(&deliveries(&changes(SKUS, 1..=1))).await;
    world.seen_are(SKUS).await;
    way.forget().await;
    restart(&mut kafka, &way).await;
    world.env.deliver(&deliveries(&changes(SKUS, 2..=3))).await;
    assert_seen_in_order(&world.seen_are(3 * SKUS).await, SKUS, 3);
    consumer.stop().await;
}

/// It may also find its way by the coordinator of its group, with which it has no other business.
#[tokio::test]
async fn a_tail_that_was_told_of_no_broker_goes_on_where_it_was() {
    let (world, mut kafka, mut way) = world().await;
    let (running, heard) = tail(&world).await;
    world.env.deliver(&deliveries(&changes(SKUS, 1..=1))).await;
    heard_are(&heard, SKUS).await;
    way.forget().await;
    restart(&mut kafka, &way).await;
    world.env.deliver(&deliveries(&changes(SKUS, 2..=3))).await;
    assert_in_order(heard_are(&heard, 3 * SKUS).await, SKUS, 3);
    running.stop().await;
}

#[tokio::test]
async fn a_relay_that_was_told_of_no_broker_publishes_on() {
    let (world, mut kafka, mut way) = world().await;
    let outbox = world.outbox();
    let relay = world.relay_of(&outbox);
    world.commit(&outbox, &changes(SKUS, 1..=1)).await;
    world.outbox_is_empty().await;
    // Of a topic that is new to it, it has to ask.
    tokio::join!(way.forget(), async {
        let mut tx = outbox.begin().await.unwrap();
        let order_id = OrderId::from_uuid(Uuid::now_v7());
        let (expired_at, trace) = (tx.now(), new_trace());
        let trace_id = trace.trace_id;
        tx.publish(ExpirationCompleted { order_id, expired_at, trace_id }, &trace).unwrap();
        tx.commit().await.unwrap();
    });
    restart(&mut kafka, &way).await;
    world.commit(&outbox, &changes(SKUS, 2..=3)).await;
    world.outbox_is_empty().await;
    relay.stop().await;
}
