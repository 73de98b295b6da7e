//! Live streams.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use contracts::events::{Event, EventType};
use messaging::Tail;
use test_support::kafka::create_topics;
use test_support::{OwnKafka, TestEnv, eventually};
use tokio::sync::oneshot;

use crate::world::{
    PATIENCE, Running, SERVICE, World, assert_in_order, change, changes, deliveries,
};

const SKUS: usize = 20;

pub type Heard = Arc<Mutex<Vec<(String, u64)>>>;

/// Starts a tail and waits until it is positioned.
pub async fn tail(world: &World) -> (Running, Heard) {
    let heard = Heard::default();
    let tail = Tail::new(world.kafka(), SERVICE, &[EventType::StockChanged]);
    let (positioned, is_positioned) = oneshot::channel();
    let running = Running::new(|shutdown| {
        let heard = Arc::clone(&heard);
        tokio::spawn(tail.run(
            || positioned.send(()).unwrap(),
            move |received| {
                let Event::StockChanged(change) = received.event else {
                    panic!("a {} was not asked for", received.event.event_type());
                };
                heard.lock().unwrap().push((change.sku.as_str().to_owned(), change.version));
            },
            shutdown,
        ))
    });
    tokio::time::timeout(PATIENCE, is_positioned).await.unwrap().unwrap();
    (running, heard)
}

pub async fn heard_are(heard: &Heard, count: usize) -> Vec<(String, u64)> {
    eventually(PATIENCE, async || {
        let heard = heard.lock().unwrap();
        (heard.len() >= count).then(|| heard.clone())
    })
    .await
}

#[tokio::test]
async fn every_tail_hears_everything_from_its_position_on() {
    let world = World::new().await;
    world.env.deliver(&deliveries(&[change("before", 1)])).await;
    let (first, heard_first) = tail(&world).await;
    let (second, heard_second) = tail(&world).await;
    // At once: nothing may depend on the tail having polled already.
    world.env.deliver(&deliveries(&changes(SKUS, 1..=10))).await;
    for heard in [&heard_first, &heard_second] {
        assert_in_order(heard_are(heard, 10 * SKUS).await, SKUS, 10);
    }
    // Later ones begin later.
    let (third, heard_third) = tail(&world).await;
    world.env.publish(change("after", 1)).await;
    assert_eq!(heard_are(&heard_third, 1).await, [("after".to_owned(), 1)]);
    heard_are(&heard_first, 10 * SKUS + 1).await;
    for running in [first, second, third] {
        running.stop().await;
    }
}

#[tokio::test]
async fn a_tail_waits_for_brokers_and_outlives_their_restart() {
    let shared = TestEnv::new(SERVICE).await;
    let mut kafka = OwnKafka::start().await;
    let env = TestEnv::on(SERVICE, &shared.superuser_url(), &kafka.brokers()).await;
    let world = World::of(env).await;
    let (running, heard) = tail(&world).await;
    world.env.deliver(&deliveries(&changes(SKUS, 1..=1))).await;
    heard_are(&heard, SKUS).await;
    kafka.stop().await;

    // One that is told to stop while it waits for its brokers does.
    let waiting = Tail::new(world.kafka(), SERVICE, &[EventType::StockChanged]);
    let waiting = Running::new(|shutdown| {
        tokio::spawn(waiting.run(|| panic!("there is no broker"), |_| {}, shutdown))
    });
    tokio::task::yield_now().await;
    waiting.stop().await;

    kafka.start_again().await;
    world.env.deliver(&deliveries(&changes(SKUS, 2..=3))).await;
    assert_in_order(heard_are(&heard, 3 * SKUS).await, SKUS, 3);
    running.stop().await;
}

#[tokio::test]
async fn a_tail_is_not_positioned_while_one_of_its_topics_is_missing() {
    let world = World::of(TestEnv::new(SERVICE).await).await;
    let mut kafka = world.kafka();
    kafka.topic_prefix.push_str("half-");
    let topic = |name| format!("{}{name}", kafka.topic_prefix);
    let (there, missing) = (topic("stock.v1"), topic("fulfillment.v1"));
    create_topics(&kafka.brokers, &[&there], 1).await.unwrap();

    let types: &[EventType] = &[EventType::StockChanged, EventType::OrderCompleted];
    let tail = Tail::new(kafka.clone(), SERVICE, types);
    let (positioned, mut is_positioned) = oneshot::channel();
    let running = Running::new(|shutdown| {
        tokio::spawn(tail.run(|| positioned.send(()).unwrap(), |_| {}, shutdown))
    });
    // Were it to take what is there for all, it would be positioned in a fraction of this.
    let too_early = tokio::time::timeout(Duration::from_secs(1), &mut is_positioned).await;
    assert!(too_early.is_err(), "positioned without {missing}");
    create_topics(&kafka.brokers, &[&missing], 1).await.unwrap();
    tokio::time::timeout(PATIENCE, is_positioned).await.unwrap().unwrap();
    running.stop().await;
}
