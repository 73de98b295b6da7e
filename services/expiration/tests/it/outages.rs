//! A database that is away for a while.

use chrono::{TimeDelta, Utc};
use test_support::{Delivery, OwnPostgres, TestEnv};

use crate::world::{World, created, order};

#[tokio::test]
async fn timers_fire_after_the_database_was_away() {
    let shared = TestEnv::new("expiration").await;
    let mut postgres = OwnPostgres::start().await;
    let env = TestEnv::on("expiration", &postgres.url(), shared.kafka_brokers()).await;
    let world = World::of(env).await;
    let service = world.start().await;
    let before = created(order(), Utc::now() + TimeDelta::seconds(2));
    world.hears(&[Delivery::new(before.clone())]).await;

    postgres.stop_immediate().await;
    let during = created(order(), Utc::now());
    world.env.publish(during.clone()).await;
    postgres.start_again().await;

    let told = world.ids_told(2).await;
    assert!(told.contains_key(before.order_id.to_string().as_bytes()));
    assert!(told.contains_key(during.order_id.to_string().as_bytes()));
    assert!(told.values().all(|ids| ids.len() == 1));
    service.stop().await.unwrap();
}
