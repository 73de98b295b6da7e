//! A running inventory service, and what the other services would tell it.

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use chrono::Utc;
use contracts::events::{Event, Line, OrderCreated, ProductCreated};
use contracts::ids::{OrderId, Sku};
use contracts::topic::{Topic, dead_letter_topic};
use inventory::{Config, SERVICE};
use messaging::KafkaConfig;
use reqwest::Method;
use reqwest::header::{HeaderMap, IF_MATCH};
use serde_json::{Value, json};
use service_kit::testing::{TestCaller, TestService};
use sqlx::PgPool;
use sqlx::postgres::PgConnectOptions;
use test_support::events::trace_id;
pub use test_support::events::{cancelled, completed, failed, new_order as order};
use test_support::{Delivery, TestEnv, events, eventually};
use uuid::Uuid;

pub const PATIENCE: Duration = Duration::from_mins(1);

/// No product has it: an order of it is answered, and changes nothing.
pub const NO_PRODUCT: &str = "no-such-product";

pub struct Warehouse {
    pub env: TestEnv,
    pub service: TestService,
    pub admin: TestCaller,
    client: reqwest::Client,
}

impl Warehouse {
    /// Its topics have one partition each, so that what is told has one order.
    pub async fn open() -> Self {
        Self::with_partitions_of_orders(1).await
    }

    /// Where orders have more than all other topics together, each of two replicas gets some of them.
    pub async fn with_partitions_of_orders(partitions: i32) -> Self {
        let env = TestEnv::new(SERVICE.name).await;
        env.create_topics_of(&[Topic::Orders.name()], partitions).await;
        let mut others: Vec<_> = Topic::ALL.iter().map(|topic| topic.name()).collect();
        let dead_letters = dead_letter_topic(SERVICE.name);
        others.push(&dead_letters);
        env.create_topics_of(&others, 1).await;
        let service = replica(&env, "first").await;
        let admin = TestCaller::admin().unwrap();
        Self { env, service, admin, client: reqwest::Client::new() }
    }

    /// Makes a product with some pieces on hand.
    pub async fn stock(&self, sku: &str, on_hand: u32) {
        self.env.publish(product(sku)).await;
        eventually(PATIENCE, async || self.get(sku).await.is(200)).await;
        self.count(sku, on_hand).await;
    }

    /// Sets how many pieces are on hand.
    pub async fn count(&self, sku: &str, on_hand: u32) {
        let body = json!({ "onHand": on_hand });
        let answer = self.put(sku, Some(&self.admin.token), Some("*"), &body.to_string()).await;
        assert_eq!(answer.status, 200, "{:?}", answer.body);
    }

    pub async fn get(&self, sku: &str) -> Answer {
        self.send(self.client.get(self.url(sku))).await
    }

    pub async fn put(
        &self,
        sku: &str,
        token: Option<&str>,
        if_match: Option<&str>,
        body: &str,
    ) -> Answer {
        let mut request = self.client.request(Method::PUT, self.url(sku)).body(body.to_owned());
        request = request.header("content-type", "application/json");
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        if let Some(if_match) = if_match {
            request = request.header(IF_MATCH, if_match);
        }
        self.send(request).await
    }

    pub async fn send(&self, request: reqwest::RequestBuilder) -> Answer {
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Answer { status, headers, body: response.json().await.unwrap() }
    }

    fn url(&self, sku: &str) -> String {
        format!("{}/api/stock/{sku}", self.service.url)
    }

    /// On hand and reserved.
    pub async fn level(&self, sku: &str) -> (u64, u64) {
        let body = self.get(sku).await.body;
        (body["onHand"].as_u64().unwrap(), body["reserved"].as_u64().unwrap())
    }

    pub async fn status(&self, order: OrderId) -> Option<String> {
        sqlx::query_scalar("SELECT status FROM reservations WHERE order_id = $1")
            .bind(order.as_uuid())
            .fetch_optional(&self.service.pool)
            .await
            .unwrap()
    }

    pub async fn count_of(&self, table: &'static str) -> i64 {
        let sql = sqlx::AssertSqlSafe(format!("SELECT count(*) FROM {table}"));
        sqlx::query_scalar(sql).fetch_one(&self.service.pool).await.unwrap()
    }

    /// Delivers events and returns when they were processed. What is a repeat leaves no trace of its
    /// own: it is done when what was delivered after it is. Needs topics of one partition.
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
            .fetch_one(&self.service.pool)
            .await
            .unwrap();
            (missing == 0).then_some(())
        })
        .await;
    }

    /// All that was told about orders so far, in order per order.
    pub async fn told(&self) -> Vec<Event> {
        // What is told of these is the last on each partition.
        let last: Vec<_> =
            (0..60).map(|_| Delivery::new(created(order(), &[(NO_PRODUCT, 1)]))).collect();
        self.env.deliver(&last).await;
        let mut missing: HashSet<String> = last.iter().map(|last| last.event.key()).collect();
        let mut seen = 0;
        let all_seen = |events: &[Event]| {
            for event in &events[seen..] {
                missing.remove(&event.key());
            }
            seen = events.len();
            missing.is_empty()
        };
        let mut told = self.env.events(Topic::Inventory, all_seen).await;
        told.retain(|event| match event {
            Event::InventoryReservationFailed(failed) => failed.sku != Some(sku(NO_PRODUCT)),
            _ => true,
        });
        told
    }

    /// All that was told about these products so far. Needs topics of one partition.
    pub async fn told_of_stock(&self, skus: &[&str]) -> Vec<(String, u32, u32, u64)> {
        // Of the products of a batch it is told in the order of their SKUs.
        let last = format!("zz-{}", Uuid::now_v7());
        self.env.publish(product(&last)).await;
        let is_last = |event: &Event| event.key() == last;
        let told = self.env.events(Topic::Stock, |events| events.iter().any(is_last)).await;
        told.iter().map(stock_changed).filter(|told| skus.contains(&told.0.as_str())).collect()
    }
}

/// What an HTTP request was answered with.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Value,
}

impl Answer {
    pub fn is(&self, status: u16) -> Option<()> {
        (self.status == status).then_some(())
    }

    pub fn etag(&self) -> &str {
        self.headers["etag"].to_str().unwrap()
    }

    /// The status, the kind of problem and the field.
    pub fn problem(&self) -> (u16, &str, Option<&str>) {
        let kind = self.body["type"].as_str().unwrap();
        let kind = kind.strip_prefix("https://boutique.dev/problems/").unwrap();
        assert!(!self.body["detail"].as_str().unwrap().is_empty());
        (self.status, kind, self.body["field"].as_str())
    }
}

/// Another process of the service, as far as databases and brokers can tell. Its connections have the
/// name.
pub async fn replica(env: &TestEnv, name: &str) -> TestService {
    let options: PgConnectOptions = env.database_url().parse().unwrap();
    let pool = PgPool::connect_with(options.application_name(name)).await.unwrap();
    let kafka = KafkaConfig::plaintext(env.kafka_brokers(), env.topic_prefix());
    let start = async |kit: &mut _| inventory::start(kit, Config {}).await;
    TestService::start(SERVICE, pool, kafka, start).await.unwrap()
}

pub fn sku(text: &str) -> Sku {
    text.parse().unwrap()
}

pub fn lines(lines: &[(&str, u32)]) -> Vec<Line> {
    lines.iter().map(|&(text, qty)| Line { sku: sku(text), qty }).collect()
}

pub fn product(text: &str) -> ProductCreated {
    ProductCreated {
        sku: sku(text),
        name: "Teak bowl".to_owned(),
        price: "749.50".parse().unwrap(),
        currency: "INR".parse().unwrap(),
        version: 1,
        created_at: Utc::now(),
        trace_id: trace_id(),
    }
}

pub fn created(order_id: OrderId, items: &[(&str, u32)]) -> OrderCreated {
    OrderCreated { items: lines(items), ..events::created(order_id) }
}

/// SKU, on hand, reserved and version; checks what must hold for any.
pub fn stock_changed(event: &Event) -> (String, u32, u32, u64) {
    let Event::StockChanged(event) = event else { panic!("{event:?} on the topic of stock") };
    assert_eq!(event.available, event.on_hand - event.reserved);
    (event.sku.to_string(), event.on_hand, event.reserved, event.version)
}

/// An order, what is told of it, and the pieces it is told of.
pub type Outcome = (String, char, BTreeMap<String, u32>);

/// What an event tells of an order: `R` reserved, `O` out of stock, `F` freed; and its lines.
pub fn outcome(event: &Event) -> Outcome {
    let pieces = |lines: &[Line]| lines.iter().map(|l| (l.sku.to_string(), l.qty)).collect();
    match event {
        Event::InventoryReserved(told) => (event.key(), 'R', pieces(&told.reservations)),
        Event::InventoryReleased(told) => (event.key(), 'F', pieces(&told.reservations)),
        Event::InventoryReservationFailed(told) => {
            let short = told.sku.iter().map(|sku| (sku.to_string(), 0)).collect();
            (event.key(), 'O', short)
        }
        _ => panic!("{event:?} on the topic of inventory"),
    }
}

/// What is expected of [`outcome`].
pub fn is(order: OrderId, what: char, pieces: &[(&str, u32)]) -> Outcome {
    (order.to_string(), what, pieces.iter().map(|&(sku, qty)| (sku.to_owned(), qty)).collect())
}
