//! What a test of this crate has: a service's schema, its topics, and its tasks.

use std::{collections::HashMap, time::Duration};

use chrono::{DateTime, Utc};
use contracts::{events::StockChanged, topic::dead_letter_topic, trace::TraceId};
use messaging::{Consumer, Handler, KafkaConfig, MessagingError, Outbox, Relay, new_trace};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use rdkafka::{
    ClientConfig, Offset, TopicPartitionList,
    consumer::{BaseConsumer, CommitMode, Consumer as _},
};
use sqlx::{PgPool, postgres::PgPoolOptions};
use test_support::{Delivery, TestEnv, eventually};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// How long anything awaited may take; the servers share two cores with the other tests.
pub const PATIENCE: Duration = Duration::from_mins(1);

pub const SERVICE: &str = "inventory";
pub const PARTITIONS: i32 = 6;

/// One service on its own database and topics.
pub struct World {
    pub env: TestEnv,
    pub pool: PgPool,
}

/// An effect of an event, in the order the effects happened.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Seen {
    pub event_id: Uuid,
    pub sku: String,
    pub version: i64,
    pub member: String,
}

#[derive(Debug, sqlx::FromRow)]
pub struct DeadLetter {
    pub id: Uuid,
    pub topic: String,
    pub partition: i32,
    pub record_offset: i64,
    pub key: Option<Vec<u8>>,
    pub header_names: Vec<String>,
    pub header_values: Vec<Vec<u8>>,
    pub payload: Option<Vec<u8>>,
    pub event_id: Option<Uuid>,
    pub event_type: Option<String>,
    pub errors: Vec<String>,
    pub attempts: i32,
    pub first_failed_at: DateTime<Utc>,
    pub last_failed_at: DateTime<Utc>,
}

impl World {
    pub async fn new() -> Self {
        Self::of(TestEnv::new(SERVICE).await).await
    }

    pub async fn of(env: TestEnv) -> Self {
        // Services wait as briefly for a connection, so that an outage is noticed.
        let pool = PgPoolOptions::new()
            .max_connections(10)
            .acquire_timeout(Duration::from_secs(2))
            .connect(&env.database_url())
            .await
            .unwrap();
        messaging::MIGRATIONS.run(&pool).await.unwrap();
        sqlx::raw_sql(
            "CREATE TABLE seen (
                 position bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
                 event_id uuid NOT NULL UNIQUE,
                 sku text NOT NULL,
                 version bigint NOT NULL,
                 member text NOT NULL)",
        )
        .execute(&pool)
        .await
        .unwrap();
        let dead_letters = dead_letter_topic(SERVICE);
        env.create_topics(&["stock.v1", "expiration.v1", "orders.v1", &dead_letters]).await;
        Self { env, pool }
    }

    pub fn kafka(&self) -> KafkaConfig {
        KafkaConfig::plaintext(self.env.kafka_brokers(), self.env.topic_prefix())
    }

    /// The outbox as another replica has it.
    pub fn outbox(&self) -> Outbox {
        Outbox::new(self.pool.clone(), SERVICE)
    }

    /// Starts a relay of another replica.
    pub fn relay(&self) -> Running {
        self.relay_of(&self.outbox())
    }

    pub fn relay_of(&self, outbox: &Outbox) -> Running {
        let relay = Relay::new(self.kafka(), outbox.clone());
        Running::new(|shutdown| tokio::spawn(relay.run(shutdown)))
    }

    /// Starts another member of the service's group.
    pub fn consumer(&self, handler: impl Handler) -> Running {
        let consumer = Consumer::new(self.kafka(), self.outbox(), handler);
        Running::new(|shutdown| tokio::spawn(consumer.run(shutdown)))
    }

    /// Commits events to the outbox in one transaction.
    pub async fn commit(&self, outbox: &Outbox, events: &[StockChanged]) {
        let mut tx = outbox.begin().await.unwrap();
        for event in events {
            tx.publish(event.clone(), &new_trace()).unwrap();
        }
        tx.commit().await.unwrap();
    }

    pub async fn seen(&self) -> Vec<Seen> {
        sqlx::query_as("SELECT event_id, sku, version, member FROM seen ORDER BY position")
            .fetch_all(&self.pool)
            .await
            .unwrap()
    }

    /// Waits until there are that many effects.
    #[track_caller]
    pub fn seen_are(&self, count: usize) -> impl Future<Output = Vec<Seen>> {
        eventually(PATIENCE, async move || {
            if self.count("seen").await < count {
                return None;
            }
            Some(self.seen().await)
        })
    }

    pub async fn count(&self, table: &'static str) -> usize {
        let sql = match table {
            "outbox" => "SELECT coalesce(sum(records), 0) FROM outbox",
            "inbox" => "SELECT count(*) FROM processed_events",
            "seen" => "SELECT count(*) FROM seen",
            "dead_letters" => "SELECT count(*) FROM dead_letters",
            other => panic!("no table {other}"),
        };
        let count: i64 = sqlx::query_scalar(sql).fetch_one(&self.pool).await.unwrap();
        usize::try_from(count).unwrap()
    }

    #[track_caller]
    pub fn outbox_is_empty(&self) -> impl Future<Output = ()> {
        eventually(PATIENCE, async || (self.count("outbox").await == 0).then_some(()))
    }

    pub async fn dead_letters(&self) -> Vec<DeadLetter> {
        sqlx::query_as("SELECT * FROM dead_letters ORDER BY topic, partition, record_offset")
            .fetch_all(&self.pool)
            .await
            .unwrap()
    }

    /// The offsets the group has committed on a topic, added up over its partitions.
    pub async fn committed(&self, topic: &str) -> usize {
        let (topic, config) = (self.env.topic(topic), self.group());
        tokio::task::spawn_blocking(move || {
            let consumer: BaseConsumer = config.create().unwrap();
            let offsets = consumer.committed_offsets(partitions(&topic, Offset::Invalid), PATIENCE);
            let offsets = offsets.unwrap();
            let offset = |offset: Offset| usize::try_from(offset.to_raw()?).ok();
            offsets.elements().iter().filter_map(|p| offset(p.offset())).sum()
        })
        .await
        .unwrap()
    }

    /// Waits until the group has committed its place behind so many records of a topic.
    #[track_caller]
    pub fn committed_are(&self, topic: &str, count: usize) -> impl Future<Output = ()> {
        eventually(PATIENCE, async move || (self.committed(topic).await == count).then_some(()))
    }

    /// Puts the group, which must be without members, back to the beginning of a topic.
    pub async fn rewind(&self, topic: &str) {
        let (topic, config) = (self.env.topic(topic), self.group());
        tokio::task::spawn_blocking(move || {
            let consumer: BaseConsumer = config.create().unwrap();
            consumer.commit(&partitions(&topic, Offset::Offset(0)), CommitMode::Sync).unwrap();
        })
        .await
        .unwrap();
    }

    /// The state of the group as the broker names it, and how many members it has.
    pub async fn group_state(&self) -> (String, usize) {
        let (group, config) = (self.env.topic(SERVICE), self.group());
        tokio::task::spawn_blocking(move || {
            let consumer: BaseConsumer = config.create().unwrap();
            let groups = consumer.fetch_group_list(Some(&group), PATIENCE).unwrap();
            let group = groups.groups().iter().find(|found| found.name() == group);
            group.map_or_else(Default::default, |g| (g.state().to_owned(), g.members().len()))
        })
        .await
        .unwrap()
    }

    fn group(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", self.env.kafka_brokers())
            .set("group.id", self.env.topic(SERVICE))
            .set("enable.auto.commit", "false");
        config
    }
}

fn partitions(topic: &str, offset: Offset) -> TopicPartitionList {
    let mut list = TopicPartitionList::new();
    for partition in 0..PARTITIONS {
        list.add_partition_offset(topic, partition, offset).unwrap();
    }
    list
}

/// A task that a service supervises. Told to stop when dropped.
pub struct Running {
    task: Option<JoinHandle<Result<(), MessagingError>>>,
    shutdown: CancellationToken,
}

impl Running {
    pub fn new(
        start: impl FnOnce(CancellationToken) -> JoinHandle<Result<(), MessagingError>>,
    ) -> Self {
        let shutdown = CancellationToken::new();
        Self { task: Some(start(shutdown.clone())), shutdown }
    }

    /// Tells it to stop, without waiting for it.
    pub fn cancel(&self) {
        self.shutdown.cancel();
    }

    pub fn is_finished(&self) -> bool {
        self.task.as_ref().is_none_or(JoinHandle::is_finished)
    }

    /// Tells it to stop and waits until it has.
    pub async fn stop(mut self) {
        self.cancel();
        let task = self.task.take().unwrap();
        tokio::time::timeout(PATIENCE, task).await.expect("it ends").unwrap().unwrap();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}

/// The `version`-th change of a product's stock: key and place in the key's order in one.
pub fn change(sku: &str, version: u64) -> StockChanged {
    StockChanged {
        sku: sku.parse().unwrap(),
        on_hand: 10,
        reserved: 0,
        available: 10,
        version,
        changed_at: DateTime::UNIX_EPOCH,
        trace_id: TraceId::from_bytes([7; 16]),
    }
}

/// Changes of several products, in turn, each product's from `versions`.
pub fn changes(skus: usize, versions: std::ops::RangeInclusive<u64>) -> Vec<StockChanged> {
    versions
        .flat_map(|version| (0..skus).map(move |sku| change(&format!("sku-{sku}"), version)))
        .collect()
}

pub fn deliveries(changes: &[StockChanged]) -> Vec<Delivery> {
    changes.iter().cloned().map(Delivery::new).collect()
}

/// Every product's changes have come from 1 to `last`, each once and in this order.
#[track_caller]
pub fn assert_in_order(changes: impl IntoIterator<Item = (String, u64)>, skus: usize, last: u64) {
    let mut next: HashMap<String, u64> = HashMap::new();
    for (sku, version) in changes {
        let next = next.entry(sku.clone()).or_insert(1);
        assert_eq!(version, *next, "{sku}: {version} came where {next} was due");
        *next += 1;
    }
    assert_eq!(next.len(), skus);
    for (sku, next) in next {
        assert_eq!(next, last + 1, "{sku} ends before its last");
    }
}

#[track_caller]
pub fn assert_seen_in_order(seen: &[Seen], skus: usize, last: u64) {
    assert_in_order(
        seen.iter().map(|s| (s.sku.clone(), u64::try_from(s.version).unwrap())),
        skus,
        last,
    );
}

/// What this thread's tasks measure; a test's runtime has one thread unless it asks for more.
pub struct Measured {
    handle: PrometheusHandle,
    _guard: metrics::LocalRecorderGuard<'static>,
}

impl Measured {
    pub fn in_this_thread() -> Self {
        let recorder = Box::leak(Box::new(PrometheusBuilder::new().build_recorder()));
        Self { handle: recorder.handle(), _guard: metrics::set_default_local_recorder(recorder) }
    }

    /// The value of a counter or gauge, added up over its labels.
    pub fn value(&self, name: &str) -> f64 {
        let text = self.handle.render();
        let named = text.lines().filter(|line| {
            line.strip_prefix(name).is_some_and(|rest| rest.starts_with([' ', '{']))
        });
        named.map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap()).sum()
    }
}
