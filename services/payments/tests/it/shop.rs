//! A running payments service, and what the other services would tell it.

use std::time::Duration;

use chrono::Utc;
use contracts::events::{Event, InventoryReserved, Line, OrderCreated};
use contracts::ids::{CustomerId, OrderId};
use contracts::topic::{Topic, dead_letter_topic};
use messaging::KafkaConfig;
use payments::payment::Operation;
use payments::provider::Request;
use payments::sandbox::{self, Ledger};
use payments::{Config, ProviderName, SERVICE};
use serde_json::{Value, json};
use service_kit::testing::{TestCaller, TestService};
use sqlx::PgPool;
use test_support::events::trace_id;
pub use test_support::events::{cancelled, completed, failed, new_order};
use test_support::{Delivery, TestEnv, events, eventually};
use uuid::Uuid;

pub const PATIENCE: Duration = Duration::from_mins(1);

/// As configured by default, but a provider that is never slow enough to be waited for in tests.
pub fn config() -> Config {
    Config {
        payment_provider: ProviderName::Sandbox,
        provider_concurrency: 64.try_into().unwrap(),
        provider_timeout_ms: 5000,
        sandbox_slow_ms: 300,
        sandbox_webhook_secret: None,
        sandbox_ledger: Some(Ledger::default()),
    }
}

pub struct Shop {
    pub env: TestEnv,
    pub service: TestService,
    pub pool: PgPool,
    pub customer: TestCaller,
    pub ledger: Ledger,
    client: reqwest::Client,
}

impl Shop {
    pub async fn open() -> Self {
        Self::open_with(config()).await
    }

    pub async fn open_with(config: Config) -> Self {
        let env = environment().await;
        let service = replica(&env, config.clone()).await;
        Self::of(env, service, &config)
    }

    /// Where events of different orders overtake each other.
    pub async fn open_with_partitions(partitions: i32) -> Self {
        let (env, config) = (environment_of(partitions).await, config());
        let service = replica(&env, config.clone()).await;
        Self::of(env, service, &config)
    }

    pub fn of(env: TestEnv, service: TestService, config: &Config) -> Self {
        let (pool, customer) = (service.pool.clone(), TestCaller::customer().unwrap());
        let ledger = config.sandbox_ledger.clone().unwrap();
        Self { env, service, pool, customer, ledger, client: reqwest::Client::new() }
    }

    /// Delivers events and returns when they were processed.
    pub async fn hears(&self, deliveries: &[Delivery]) {
        self.env.deliver(deliveries).await;
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

    /// Delivers an event twice under its id, as the relay may, and then under another, as beyond the
    /// horizon of the inbox.
    pub async fn hears_thrice(&self, event: impl Into<Event>) {
        let first = Delivery::new(event);
        self.hears(&[first.clone(), first.clone(), Delivery::new(first.event)]).await;
    }

    pub async fn state(&self, order: OrderId) -> Option<String> {
        let found = sqlx::query_scalar("SELECT state FROM payments WHERE order_id = $1");
        found.bind(order.as_uuid()).fetch_optional(&self.pool).await.unwrap()
    }

    /// Waits until the payment of an order stands there.
    pub async fn reaches(&self, order: OrderId, state: &str) {
        eventually(PATIENCE, async || {
            (self.state(order).await.as_deref() == Some(state)).then_some(())
        })
        .await;
    }

    /// How often the provider was asked to do something for an order.
    pub fn asked(&self, order: OrderId, what: Operation) -> usize {
        let is_it = |r: &&Request| r.order == order && r.action.operation() == what;
        self.ledger.requests().iter().filter(is_it).count()
    }

    /// Waits until the provider was asked to authorise an order's payment.
    pub async fn asked_for(&self, order: OrderId) {
        let asked = async || (self.asked(order, Operation::Authorize) > 0).then_some(());
        eventually(PATIENCE, asked).await;
    }

    /// What the provider has done for an order, in order: what comes under one key it does once, however
    /// often it is asked.
    pub fn done(&self, order: OrderId) -> Vec<Operation> {
        let mut done: Vec<Request> = Vec::new();
        for request in self.ledger.requests().into_iter().filter(|r| r.order == order) {
            let known = done.iter().find(|r| r.idempotency_key == request.idempotency_key);
            if let Some(known) = known {
                let asked = (&request.action, request.amount);
                assert_eq!(asked, (&known.action, known.amount), "two things under one key");
            } else if !matches!(sandbox::answer(&request), payments::cause::Answer::Declined(_)) {
                done.push(request);
            }
        }
        done.iter().map(|request| request.action.operation()).collect()
    }

    /// How many payments stand where.
    pub async fn count(&self, state: &str) -> i64 {
        let found = sqlx::query_scalar("SELECT count(*) FROM payments WHERE state = $1");
        found.bind(state).fetch_one(&self.pool).await.unwrap()
    }

    pub async fn dead_letters(&self) -> i64 {
        let count = sqlx::query_scalar("SELECT count(*) FROM dead_letters");
        count.fetch_one(&self.pool).await.unwrap()
    }

    /// All that was told so far of an order's payment. The topics have one partition, and a relay
    /// publishes in order: whatever was told before is there when the last is.
    pub async fn told(&self, order: OrderId) -> Vec<Event> {
        let last = new_order();
        let created = created(last, self.customer.customer, Some("pm_card_declined"));
        self.hears(&[Delivery::new(created), Delivery::new(reserved(last))]).await;
        let is_last = |event: &Event| event.key() == last.to_string();
        let mut told = self.env.events(Topic::Payments, |e| e.iter().any(is_last)).await;
        told.retain(|event| event.key() == order.to_string());
        told
    }

    pub async fn names_told(&self, order: OrderId) -> Vec<&'static str> {
        self.told(order).await.iter().map(|event| event.event_type().name()).collect()
    }

    /// An order of the customer's, in stock, as the service has heard of it.
    pub async fn placed(&self, method: Option<&str>) -> OrderId {
        let order = new_order();
        let created = created(order, self.customer.customer, method);
        self.hears(&[Delivery::new(created), Delivery::new(reserved(order))]).await;
        order
    }

    /// An order whose payment is authorised.
    pub async fn authorized(&self) -> OrderId {
        let order = self.placed(Some("pm_card_ok")).await;
        self.reaches(order, "AUTHORIZED").await;
        order
    }

    pub async fn pay(&self, order: impl ToString, method: &str) -> Answer {
        self.pay_as(Some(&self.customer.token), order, method).await
    }

    pub async fn pay_as(&self, token: Option<&str>, order: impl ToString, method: &str) -> Answer {
        let body = json!({ "orderId": order.to_string(), "paymentMethod": method });
        self.post("/api/payments/pay", token, &body).await
    }

    pub async fn post(&self, path: &str, token: Option<&str>, body: &Value) -> Answer {
        let request = self.client.post(format!("{}{path}", self.service.url)).json(body);
        send(request, token).await
    }

    pub async fn get(&self, order: impl ToString, token: Option<&str>) -> Answer {
        let url = format!("{}/api/payments/{}", self.service.url, order.to_string());
        send(self.client.get(url), token).await
    }
}

/// Servers, and topics of one partition.
pub async fn environment() -> TestEnv {
    environment_of(1).await
}

async fn environment_of(partitions: i32) -> TestEnv {
    let env = TestEnv::new(SERVICE.name).await;
    let mut topics: Vec<_> = Topic::ALL.iter().map(|topic| topic.name()).collect();
    let dead_letters = dead_letter_topic(SERVICE.name);
    topics.push(&dead_letters);
    env.create_topics_of(&topics, partitions).await;
    env
}

/// A process of the service, as far as databases and brokers can tell.
pub async fn replica(env: &TestEnv, config: Config) -> TestService {
    replica_on(env, env.pool().await, config).await
}

pub async fn replica_on(env: &TestEnv, pool: PgPool, config: Config) -> TestService {
    let kafka = KafkaConfig::plaintext(env.kafka_brokers(), env.topic_prefix());
    let start = async |kit: &mut _| payments::start(kit, config).await;
    TestService::start(SERVICE, pool, kafka, start).await.unwrap()
}

async fn send(request: reqwest::RequestBuilder, token: Option<&str>) -> Answer {
    let request = match token {
        Some(token) => request.bearer_auth(token),
        None => request,
    };
    let response = request.send().await.unwrap();
    let (status, text) = (response.status().as_u16(), response.text().await.unwrap());
    Answer { status, body: serde_json::from_str(&text).unwrap(), text }
}

/// What an HTTP request was answered with.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub body: Value,
    /// The body as it came: numbers with all their digits.
    pub text: String,
}

impl Answer {
    /// The status, the kind of problem and the field.
    pub fn problem(&self) -> (u16, &str, Option<&str>) {
        let kind = self.body["type"].as_str().unwrap();
        let kind = kind.strip_prefix("https://boutique.dev/problems/").unwrap();
        assert!(!self.body["detail"].as_str().unwrap().is_empty());
        (self.status, kind, self.body["field"].as_str())
    }

    /// The state of the payment that was accepted or shown.
    pub fn status_of_payment(&self) -> &str {
        assert!(self.status < 300, "{self:?}");
        self.body["status"].as_str().unwrap()
    }
}

fn lines() -> Vec<Line> {
    vec![Line { sku: "MUG-01".parse().unwrap(), qty: 2 }]
}

pub fn created(
    order_id: OrderId,
    customer_id: CustomerId,
    payment_method: Option<&str>,
) -> OrderCreated {
    let payment_method = payment_method.map(str::to_owned);
    OrderCreated { customer_id, items: lines(), payment_method, ..events::created(order_id) }
}

pub fn reserved(order_id: OrderId) -> InventoryReserved {
    let (reservations, reserved_at) = (lines(), Utc::now());
    InventoryReserved { order_id, reservations, reserved_at, trace_id: trace_id() }
}
