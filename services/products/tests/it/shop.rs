//! The service, running, and somebody to ask it.

use std::time::Duration;

use contracts::topic::Topic;
use messaging::KafkaConfig;
use products::{Config, SERVICE};
use reqwest::{Method, RequestBuilder, Response};
use serde_json::{Value, json};
use service_kit::testing::{TestCaller, TestService};
use test_support::kafka::read_all;
use test_support::{TestEnv, eventually};

const PATIENCE: Duration = Duration::from_secs(30);

pub struct Shop {
    pub env: TestEnv,
    pub service: TestService,
    pub admin: TestCaller,
    pub customer: TestCaller,
    http: reqwest::Client,
}

impl Shop {
    pub async fn open() -> Self {
        let env = TestEnv::new("products").await;
        env.create_all_topics().await;
        let service = Self::start(&env).await;
        Self {
            env,
            service,
            admin: TestCaller::admin().unwrap(),
            customer: TestCaller::customer().unwrap(),
            http: reqwest::Client::new(),
        }
    }

    pub async fn start(env: &TestEnv) -> TestService {
        let kafka = KafkaConfig::plaintext(env.kafka_brokers(), env.topic_prefix());
        TestService::start(SERVICE, env.pool().await, kafka, async |kit| {
            products::start(kit, Config {}).await
        })
        .await
        .unwrap()
    }

    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}/api/products{path}", self.service.url))
    }

    pub fn as_admin(&self, method: Method, path: &str) -> RequestBuilder {
        self.request(method, path).bearer_auth(&self.admin.token)
    }

    pub async fn get(&self, path: &str) -> Response {
        self.request(Method::GET, path).send().await.unwrap()
    }

    pub async fn create(&self, draft: &Value) -> Response {
        self.as_admin(Method::POST, "").json(draft).send().await.unwrap()
    }

    pub async fn change(&self, sku: &str, if_match: &str, changes: &Value) -> Response {
        let request = self.as_admin(Method::PATCH, &format!("/{sku}")).json(changes);
        request.header("if-match", if_match).send().await.unwrap()
    }

    pub async fn discontinue(&self, sku: &str) -> Response {
        self.as_admin(Method::DELETE, &format!("/{sku}")).send().await.unwrap()
    }

    /// How many events the service has ever told, once all of them are published.
    pub async fn events_told(&self) -> i64 {
        eventually(PATIENCE, async || {
            let waiting: i64 = sqlx::query_scalar("SELECT count(*) FROM outbox")
                .fetch_one(&self.service.pool)
                .await
                .unwrap();
            (waiting == 0).then_some(())
        })
        .await;
        let mut told = 0;
        let topic = self.env.topic(Topic::Products.name());
        read_all(self.env.kafka_brokers(), &[&topic], |_| told += 1).await.unwrap();
        told
    }

    /// The SKUs of a page, and its next cursor.
    pub async fn page(&self, query: &str) -> (Vec<String>, Option<String>) {
        let page: Value = ok(self.get(&format!("?{query}")).await, 200).await;
        let items = page["items"].as_array().unwrap().iter();
        let skus = items.map(|item| item["sku"].as_str().unwrap().to_owned());
        (skus.collect(), page["nextCursor"].as_str().map(str::to_owned))
    }
}

pub fn draft(sku: &str) -> Value {
    json!({
        "sku": sku,
        "name": "Indigo stoneware mug",
        "description": "Glazed by hand.",
        "category": "Kitchen",
        "price": 449,
        "currency": "INR",
    })
}

/// The body of an answer that is as it should be.
#[track_caller]
pub fn ok(response: Response, status: u16) -> impl Future<Output = Value> {
    let place = std::panic::Location::caller();
    async move {
        let found = response.status().as_u16();
        let body = response.text().await.unwrap();
        assert_eq!(found, status, "{place}: {body}");
        serde_json::from_str(&body).unwrap_or(Value::Null)
    }
}

/// Checks that an answer is a certain problem.
#[track_caller]
pub fn assert_problem(
    response: Response,
    status: u16,
    slug: &str,
    field: Option<&str>,
) -> impl Future<Output = ()> {
    let place = std::panic::Location::caller();
    async move {
        let found = response.status().as_u16();
        let body = response.text().await.unwrap();
        assert_eq!(found, status, "{place}: {body}");
        let body: Value = serde_json::from_str(&body).unwrap();
        let kind = format!("https://boutique.dev/problems/{slug}");
        assert_eq!(body["type"], kind, "{place}: {body}");
        assert_eq!(body.get("field").and_then(Value::as_str), field, "{place}: {body}");
    }
}
