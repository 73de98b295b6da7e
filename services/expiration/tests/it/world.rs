//! A running expiration service, and what orders would tell it.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use contracts::envelope;
use contracts::events::{Event, ExpirationCompleted, OrderCreated};
use contracts::ids::OrderId;
use contracts::topic::{Topic, dead_letter_topic};
use expiration::{Config, SERVICE};
use messaging::KafkaConfig;
use service_kit::testing::TestService;
use sqlx::PgPool;
pub use test_support::events::new_order as order;
use test_support::events::{cancelled, completed, failed};
use test_support::kafka::read_until;
use test_support::{Delivery, TestEnv, events, eventually};
use uuid::Uuid;

pub const PATIENCE: Duration = Duration::from_mins(1);

/// What the service of a test stands on, whether it runs or not.
pub struct World {
    pub env: TestEnv,
    pub pool: PgPool,
}

impl World {
    pub async fn new() -> Self {
        Self::of(TestEnv::new(SERVICE.name).await).await
    }

    /// Its topics have one partition each, so that what is told has one order.
    pub async fn of(env: TestEnv) -> Self {
        let mut topics: Vec<_> = Topic::ALL.iter().map(|topic| topic.name()).collect();
        let dead_letters = dead_letter_topic(SERVICE.name);
        topics.push(&dead_letters);
        env.create_topics_of(&topics, 1).await;
        let pool = env.pool().await;
        Self { env, pool }
    }

    /// One process of the service, as far as databases and brokers can tell.
    pub async fn start(&self) -> TestService {
        let kafka = KafkaConfig::plaintext(self.env.kafka_brokers(), self.env.topic_prefix());
        let start = async |kit: &mut _| expiration::start(kit, Config {}).await;
        TestService::start(SERVICE, self.env.pool().await, kafka, start).await.unwrap()
    }

    /// Delivers events and returns when they were processed. What is a repeat leaves no trace of its
    /// own: it is done when what was delivered after it is.
    pub async fn hears(&self, deliveries: &[Delivery]) {
        let mut all = deliveries.to_vec();
        all.push(Delivery::new(cancelled(order())));
        all.push(Delivery::new(failed(order())));
        self.env.deliver(&all).await;
        self.processed(&all).await;
    }

    pub async fn processed(&self, deliveries: &[Delivery]) {
        let ids: Vec<Uuid> = deliveries.iter().map(|delivery| delivery.id).collect();
        eventually(PATIENCE, async || {
            let missing: i64 = sqlx::query_scalar(
                "SELECT count(*) FROM UNNEST($1::uuid[]) AS id
                 WHERE id NOT IN (SELECT event_id FROM processed_events)",
            )
            .bind(&ids)
            .fetch_one(&self.pool)
            .await
            .ok()?;
            (missing == 0).then_some(())
        })
        .await;
    }

    /// All that was told so far, by one replica.
    pub async fn told(&self) -> Vec<ExpirationCompleted> {
        let last = order();
        self.env.publish(created(last, Utc::now())).await;
        let mut told = self.told_until(last).await;
        told.retain(|told| told.order_id != last);
        told
    }

    /// All that was told until an order expired.
    pub async fn told_until(&self, last: OrderId) -> Vec<ExpirationCompleted> {
        let is_last = |event: &Event| event.key() == last.to_string();
        let told = self.env.events(Topic::Expiration, |told| told.iter().any(is_last)).await;
        told.into_iter().map(expired).collect()
    }

    /// The ids of the events that tell of each order, once so many orders were told of. A relay may
    /// publish an event again, under its id.
    pub async fn ids_told(&self, orders: usize) -> BTreeMap<Vec<u8>, Vec<Vec<u8>>> {
        let topic = self.env.topic(Topic::Expiration.name());
        let mut told: BTreeMap<Vec<u8>, Vec<Vec<u8>>> = BTreeMap::new();
        let mut seen = 0;
        read_until(self.env.kafka_brokers(), &[&topic], PATIENCE, |records| {
            for record in &records[seen..] {
                let id = record.header(envelope::CE_ID).unwrap().to_vec();
                let ids = told.entry(record.key.clone().unwrap()).or_default();
                if !ids.contains(&id) {
                    ids.push(id);
                }
            }
            seen = records.len();
            told.len() >= orders
        })
        .await
        .unwrap();
        told
    }

    /// When the order's timer fires; `Some(None)` if there is nothing to wait for any more.
    pub async fn timer(&self, order: OrderId) -> Option<Option<DateTime<Utc>>> {
        sqlx::query_scalar("SELECT fires_at FROM timers WHERE order_id = $1")
            .bind(order.as_uuid())
            .fetch_optional(&self.pool)
            .await
            .unwrap()
    }

    pub async fn count_of(&self, table: &'static str) -> i64 {
        let sql = sqlx::AssertSqlSafe(format!("SELECT count(*) FROM {table}"));
        sqlx::query_scalar(sql).fetch_one(&self.pool).await.unwrap()
    }
}

/// A time that does not come in this test, as the database stores it.
pub fn later() -> DateTime<Utc> {
    let later = Utc::now() + TimeDelta::hours(1);
    DateTime::from_timestamp_micros(later.timestamp_micros()).unwrap()
}

pub fn created(order_id: OrderId, expires_at: DateTime<Utc>) -> OrderCreated {
    OrderCreated { expires_at, ..events::created(order_id) }
}

/// Each of the ends an order can have.
pub fn ends(order: OrderId) -> [Event; 3] {
    [cancelled(order).into(), completed(order).into(), failed(order).into()]
}

fn expired(event: Event) -> ExpirationCompleted {
    let Event::ExpirationCompleted(told) = event else {
        panic!("{event:?} on the topic of expiration")
    };
    told
}
