//! The running service, and how tests talk to it.

use std::collections::HashSet;
use std::time::Duration;

use chrono::{TimeDelta, Utc};
use contracts::events::{
    Event, ExpirationCompleted, InventoryReservationFailed, InventoryReserved, Line, OrderStatus,
    OrderStep, OrderUpdated, PaymentAuthorized, PaymentFailed, ProductCreated,
    ReservationFailureReason,
};
use contracts::ids::{CustomerId, OrderId, PaymentId};
use contracts::topic::Topic;
use contracts::trace::TraceId;
use messaging::KafkaConfig;
use orders::{Config, SERVICE};
use reqwest::{Method, RequestBuilder, Response, StatusCode};
use serde_json::{Value, json};
use service_kit::testing::{TestCaller, TestService};
use test_support::kafka::{NewRecord, produce};
use test_support::{Delivery, TestEnv, eventually};
use uuid::Uuid;

pub const PATIENCE: Duration = Duration::from_secs(30);

/// The service with a catalogue of a few products, in an environment of its own.
pub struct Orders {
    pub env: TestEnv,
    pub service: TestService,
    pub http: reqwest::Client,
}

/// Without limits that a test would notice.
pub fn config() -> Config {
    Config { order_expiry_seconds: 900, orders_per_customer: 100_000, streams_per_customer: 20 }
}

impl Orders {
    pub async fn start() -> Self {
        Self::with(config()).await
    }

    pub async fn with(config: Config) -> Self {
        let env = TestEnv::new("orders").await;
        env.create_all_topics().await;
        let service = Self::serve_with(&env, config).await;
        let orders = Self { env, service, http: reqwest::Client::new() };
        let products = [("MUG", "749.50", "INR"), ("CAP", "1.00", "INR"), ("YEN", "100", "JPY")];
        for (sku, price, currency) in products {
            orders.env.publish(product(sku, price, currency, 1)).await;
        }
        orders.until_known(&products.map(|(sku, ..)| sku)).await;
        orders
    }

    /// Another replica, or the same one after it was stopped.
    pub async fn replica(&self) -> TestService {
        Self::serve(&self.env).await
    }

    /// The service alone.
    pub async fn serve(env: &TestEnv) -> TestService {
        Self::serve_with(env, config()).await
    }

    /// Another replica, to which no broker answers.
    pub async fn replica_without_brokers(&self) -> TestService {
        let kafka = KafkaConfig::plaintext("127.0.0.1:1", self.env.topic_prefix());
        Self::serve_on(&self.env, kafka, config()).await
    }

    async fn serve_with(env: &TestEnv, config: Config) -> TestService {
        let kafka = KafkaConfig::plaintext(env.kafka_brokers(), env.topic_prefix());
        Self::serve_on(env, kafka, config).await
    }

    async fn serve_on(env: &TestEnv, kafka: KafkaConfig, config: Config) -> TestService {
        TestService::start(SERVICE, env.pool().await, kafka, async |kit| {
            orders::start(kit, config).await
        })
        .await
        .unwrap()
    }

    /// Waits until products are in this service's copy of the catalogue.
    pub async fn until_known(&self, skus: &[&str]) {
        eventually(PATIENCE, async || {
            let known: i64 = sqlx::query_scalar("SELECT count(*) FROM prices WHERE sku = ANY($1)")
                .bind(skus)
                .fetch_one(&self.service.pool)
                .await
                .unwrap();
            (usize::try_from(known).unwrap() == skus.len()).then_some(())
        })
        .await;
    }

    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.service.url)).timeout(PATIENCE)
    }

    pub async fn post(&self, caller: &TestCaller, path: &str, body: &Value) -> Response {
        let request = self.request(Method::POST, path).bearer_auth(&caller.token).json(body);
        request.send().await.unwrap()
    }

    pub async fn get(&self, caller: &TestCaller, path: &str) -> Response {
        self.request(Method::GET, path).bearer_auth(&caller.token).send().await.unwrap()
    }

    /// Places an order of two mugs and returns it.
    pub async fn place(&self, caller: &TestCaller) -> Value {
        let body = json!({"items": [{"sku": "MUG", "qty": 2}]});
        let response = self.post(caller, "/api/orders", &body).await;
        answer(response, StatusCode::ACCEPTED).await
    }

    pub async fn cancel(&self, caller: &TestCaller, id: &str) -> Response {
        let path = format!("/api/orders/{id}/cancel");
        self.request(Method::POST, &path).bearer_auth(&caller.token).send().await.unwrap()
    }

    /// Waits until an order has a version, and returns it.
    pub async fn until_version(&self, caller: &TestCaller, id: &str, version: u64) -> Value {
        let path = format!("/api/orders/{id}");
        eventually(PATIENCE, async || {
            let order = answer(self.get(caller, &path).await, StatusCode::OK).await;
            (order["version"] == version).then_some(order)
        })
        .await
    }

    /// Delivers events and waits until they have been processed.
    pub async fn deliver(&self, deliveries: &[Delivery]) {
        self.env.deliver(deliveries).await;
        let ids: HashSet<_> = deliveries.iter().map(|delivery| delivery.id).collect();
        let ids: Vec<_> = ids.into_iter().collect();
        eventually(PATIENCE, async || {
            let processed: i64 = sqlx::query_scalar(
                "SELECT count(*) FROM processed_events WHERE event_id = ANY($1)",
            )
            .bind(&ids)
            .fetch_one(&self.service.pool)
            .await
            .unwrap();
            (usize::try_from(processed).unwrap() == ids.len()).then_some(())
        })
        .await;
    }

    /// Everything the service has told so far, in order per order.
    pub async fn told(&self) -> Vec<Event> {
        eventually(PATIENCE, async || {
            let waiting: i64 = sqlx::query_scalar("SELECT coalesce(sum(records), 0) FROM outbox")
                .fetch_one(&self.service.pool)
                .await
                .unwrap();
            (waiting == 0).then_some(())
        })
        .await;
        // One record behind the last of each partition tells where to stop.
        let topics = [Topic::Orders, Topic::Fulfillment];
        let end: Event = end().into();
        let records: Vec<_> = topics
            .iter()
            .flat_map(|topic| (0..6).map(|partition| (self.env.topic(topic.name()), partition)))
            .map(|(topic, partition)| {
                let record = Delivery::new(end.clone()).record(&self.env);
                NewRecord { topic, partition: Some(partition), ..record }
            })
            .collect();
        produce(self.env.kafka_brokers(), &records).await.unwrap();
        let is_end = |event: &&Event| **event == end;
        let mut told = self
            .env
            .events_of(&topics, |events| events.iter().filter(is_end).count() == records.len())
            .await;
        told.retain(|event| !matches!(event, Event::OrderUpdated(e) if e.version == END_VERSION));
        // How an order was fulfilled is told last.
        told.sort_by_key(|event| event.topic() == Topic::Fulfillment);
        told
    }
}

/// No order has it.
const END_VERSION: u32 = u32::MAX;

fn end() -> OrderUpdated {
    OrderUpdated {
        order_id: OrderId::from_uuid(Uuid::now_v7()),
        customer_id: CustomerId::from_uuid(Uuid::now_v7()),
        status: OrderStatus::Pending,
        step: OrderStep::Created,
        version: END_VERSION,
        updated_at: Utc::now(),
        trace_id: trace(),
    }
}

/// Waits until so many transactions of the service wait for a lock.
pub async fn until_blocked(orders: &Orders, transactions: usize) {
    orders.env.until_blocked(transactions).await;
}

/// The body of an answer of that status.
pub async fn answer(response: Response, status: StatusCode) -> Value {
    let actual = response.status();
    let body = response.text().await.unwrap();
    assert_eq!(actual, status, "{body}");
    serde_json::from_str(&body).unwrap_or_else(|_| panic!("no JSON: {body}"))
}

/// The field and the end of the type that a problem names.
pub async fn problem(response: Response, status: u16) -> (String, String) {
    let status = StatusCode::from_u16(status).unwrap();
    let content_type = response.headers()["content-type"].clone();
    let body = answer(response, status).await;
    assert_eq!(content_type, "application/problem+json", "{body}");
    assert_eq!(body["status"], status.as_u16(), "{body}");
    assert!(body["detail"].as_str().is_some_and(|detail| detail.len() > 10), "{body}");
    let kind = body["type"].as_str().unwrap().rsplit('/').next().unwrap().to_owned();
    (body["field"].as_str().unwrap_or_default().to_owned(), kind)
}

pub fn trace() -> TraceId {
    TraceId::from_bytes(Uuid::now_v7().into_bytes())
}

pub fn product(sku: &str, price: &str, currency: &str, version: u64) -> ProductCreated {
    ProductCreated {
        sku: sku.parse().unwrap(),
        name: format!("The {sku}"),
        price: price.parse().unwrap(),
        currency: currency.parse().unwrap(),
        version,
        created_at: Utc::now(),
        trace_id: trace(),
    }
}

fn id(order: &str) -> OrderId {
    order.parse().unwrap()
}

pub fn reserved(order: &str) -> Delivery {
    Delivery::new(InventoryReserved {
        order_id: id(order),
        reservations: vec![Line { sku: "MUG".parse().unwrap(), qty: 2 }],
        reserved_at: Utc::now(),
        trace_id: trace(),
    })
}

pub fn out_of_stock(order: &str) -> Delivery {
    Delivery::new(InventoryReservationFailed {
        order_id: id(order),
        reason: ReservationFailureReason::OutOfStock,
        sku: None,
        trace_id: trace(),
    })
}

pub fn authorized(order: &str) -> Delivery {
    Delivery::new(PaymentAuthorized {
        order_id: id(order),
        amount: "1499.00".parse().unwrap(),
        currency: "INR".parse().unwrap(),
        payment_id: PaymentId::from_uuid(Uuid::now_v7()),
        authorized_at: Some(Utc::now()),
        trace_id: trace(),
    })
}

pub fn declined(order: &str) -> Delivery {
    Delivery::new(PaymentFailed {
        order_id: id(order),
        reason: "CARD_DECLINED".into(),
        payment_id: None,
        failed_at: Some(Utc::now()),
        trace_id: trace(),
    })
}

/// The end of the timer, as a machine tells it whose clock is behind.
pub fn expired(order: &str) -> Delivery {
    Delivery::new(ExpirationCompleted {
        order_id: id(order),
        expired_at: Utc::now() - TimeDelta::seconds(1),
        trace_id: trace(),
    })
}
