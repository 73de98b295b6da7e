//! The service, running, and somebody to ask it.

use std::panic::Location;
use std::sync::Arc;
use std::time::Duration;

use auth::{Config, SERVICE};
use contracts::topic::Topic;
use messaging::KafkaConfig;
use reqwest::header::{COOKIE, HeaderMap, SET_COOKIE};
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use service_kit::testing::TestService;
use test_support::TestEnv;

pub const PATIENCE: Duration = Duration::from_secs(30);
pub const PASSWORD: &str = "correct horse battery";

pub struct Running {
    pub env: Arc<TestEnv>,
    pub service: TestService,
    http: reqwest::Client,
}

/// An answer, read to its end.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Value,
}

pub fn config() -> Config {
    Config {
        access_token_seconds: 900,
        refresh_token_days: 30,
        cookie_secure: true,
        key_rotation_days: 30,
        key_publish_lead_seconds: 300,
        sign_ups_per_address: 30,
        trusted_proxies: 0,
        admin_email: None,
        admin_password: None,
    }
}

pub async fn environment() -> TestEnv {
    let env = TestEnv::new(SERVICE.name).await;
    env.create_topics(&[Topic::Users.name()]).await;
    env
}

pub async fn start(env: &TestEnv, config: Config) -> anyhow::Result<TestService> {
    let kafka = KafkaConfig::plaintext(env.kafka_brokers(), env.topic_prefix());
    TestService::start(SERVICE, env.pool().await, kafka, async |kit| auth::start(kit, config).await)
        .await
}

impl Running {
    pub async fn start() -> Self {
        Self::with(config()).await
    }

    pub async fn with(config: Config) -> Self {
        Self::on(Arc::new(environment().await), config).await
    }

    /// One more process, as far as the database can tell.
    pub async fn replica(&self) -> Self {
        Self::on(Arc::clone(&self.env), config()).await
    }

    async fn on(env: Arc<TestEnv>, config: Config) -> Self {
        let service = start(&env, config).await.unwrap();
        Self { env, service, http: reqwest::Client::new() }
    }

    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.service.url))
    }

    pub fn post(&self, path: &str, body: &Value) -> RequestBuilder {
        self.request(Method::POST, &format!("/api/users/{path}")).json(body)
    }

    pub async fn sign_up(&self, email: &str) -> Answer {
        send(self.post("signup", &json!({"email": email, "password": PASSWORD}))).await
    }

    pub async fn sign_in(&self, email: &str, password: &str) -> Answer {
        send(self.post("signin", &json!({"email": email, "password": password}))).await
    }

    pub async fn refresh(&self, token: &str) -> Answer {
        send(self.post("refresh", &json!({"refreshToken": token}))).await
    }

    pub async fn sign_out(&self, token: &str) -> Answer {
        send(self.post("signout", &json!({"refreshToken": token}))).await
    }

    /// A request without a body.
    pub async fn post_with_cookie(&self, path: &str, cookie: &str) -> Answer {
        let request = self.request(Method::POST, &format!("/api/users/{path}"));
        send(request.header(COOKIE, cookie)).await
    }

    pub async fn me(&self, token: &str) -> Answer {
        send(self.request(Method::GET, "/api/users/me").bearer_auth(token)).await
    }

    /// Runs a statement on the service's tables, such as one that lets time pass for them.
    pub async fn sql(&self, statement: &'static str) -> u64 {
        sqlx::query(statement).execute(&self.service.pool).await.unwrap().rows_affected()
    }

    /// A number from the service's tables.
    pub async fn count(&self, query: &'static str) -> i64 {
        sqlx::query_scalar(query).fetch_one(&self.service.pool).await.unwrap()
    }
}

pub async fn send(request: RequestBuilder) -> Answer {
    let response = request.send().await.unwrap();
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let text = response.text().await.unwrap();
    Answer { status, headers, body: serde_json::from_str(&text).unwrap_or(Value::String(text)) }
}

impl Answer {
    #[track_caller]
    pub fn is(self, status: u16) -> Self {
        assert_eq!(self.status, status, "at {}: {}", Location::caller(), self.body);
        self
    }

    /// Checks that it is a certain problem.
    #[track_caller]
    pub fn problem(self, status: u16, slug: &str, field: Option<&str>) -> Self {
        let answer = self.is(status);
        let kind = format!("https://boutique.dev/problems/{slug}");
        assert_eq!(answer.headers["content-type"], "application/problem+json");
        assert_eq!(answer.body["type"], kind, "{}", answer.body);
        assert_eq!(answer.body.get("field").and_then(Value::as_str), field, "{}", answer.body);
        answer
    }

    #[track_caller]
    pub fn text(&self, field: &str) -> String {
        let text = self.body[field].as_str();
        text.unwrap_or_else(|| panic!("no {field} in {}", self.body)).to_owned()
    }

    pub fn access(&self) -> String {
        self.text("accessToken")
    }

    pub fn refresh(&self) -> String {
        self.text("refreshToken")
    }

    /// The key that signed the access token.
    pub fn kid(&self) -> String {
        jsonwebtoken::decode_header(self.access()).unwrap().kid.unwrap()
    }

    /// The values of `Set-Cookie`.
    pub fn cookies(&self) -> Vec<&str> {
        self.headers.get_all(SET_COOKIE).iter().map(|value| value.to_str().unwrap()).collect()
    }

    /// Everything but what names the request.
    pub fn without_trace(mut self) -> (u16, Vec<(String, String)>, Value) {
        if let Some(body) = self.body.as_object_mut() {
            body.remove("traceId");
        }
        let headers =
            self.headers.iter().filter(|(name, _)| *name != "trace-id" && *name != "date");
        let headers = headers
            .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
            .collect();
        (self.status, headers, self.body)
    }
}
