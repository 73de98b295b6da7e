//! The service, running.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use contracts::events::{Event, Role};
use contracts::ids::CustomerId;
use messaging::KafkaConfig;
use notification::{Config, SERVICE};
use reqwest::Response;
use serde_json::Value;
use service_kit::testing::{TestCaller, TestService};
use sqlx::PgPool;
use test_support::{TestEnv, eventually};

pub const PATIENCE: Duration = Duration::from_mins(1);

pub struct Office {
    pub env: TestEnv,
    pub service: TestService,
    pub folder: PathBuf,
}

impl Office {
    /// Writes files to a folder of its own.
    pub async fn with_folder() -> Self {
        Self::open(None).await
    }

    /// Sends to a mail server.
    pub async fn with_server(url: String) -> Self {
        Self::open(Some(url)).await
    }

    async fn open(smtp_url: Option<String>) -> Self {
        let env = TestEnv::new("notification").await;
        env.create_all_topics().await;
        let folder = std::env::temp_dir().join(format!("boutique-mail-{}", uuid::Uuid::now_v7()));
        let service = start(&env, config(smtp_url, folder.clone())).await.unwrap();
        Self { env, service, folder }
    }

    pub fn pool(&self) -> &PgPool {
        &self.service.pool
    }

    /// A customer that the service knows the address of once it has read the event.
    pub async fn registered(&self, email: &str) -> TestCaller {
        let caller = TestCaller::customer().unwrap();
        self.env.publish(registered(caller.customer, email)).await;
        caller
    }

    pub async fn get(&self, path: &str, token: &str) -> Response {
        let url = format!("{}/api/notifications{path}", self.service.url);
        reqwest::Client::new().get(url).bearer_auth(token).send().await.unwrap()
    }

    /// The caller's notifications, newest first.
    pub async fn notifications(&self, caller: &TestCaller) -> Vec<Value> {
        let response = self.get("?limit=100", &caller.token).await;
        assert_eq!(response.status(), 200);
        let page: Value = response.json().await.unwrap();
        page["items"].as_array().unwrap().clone()
    }

    /// Waits until the caller's notifications are these, each as its kind and status; in this order,
    /// whichever was first.
    pub async fn until(&self, caller: &TestCaller, expected: &[(&str, &str)]) {
        eventually(PATIENCE, async || {
            let found = self.notifications(caller).await;
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            let mut found: Vec<_> =
                found.iter().map(|item| (text(&item["kind"]), text(&item["status"]))).collect();
            found.sort();
            let expected = expected.iter().map(|(kind, status)| ((*kind).into(), (*status).into()));
            found.into_iter().eq(expected).then_some(())
        })
        .await;
    }

    /// Waits until the service has processed so many events, since the inbox was last emptied.
    pub async fn until_processed(&self, count: i64) {
        eventually(PATIENCE, async || {
            let processed: i64 = sqlx::query_scalar("SELECT count(*) FROM processed_events")
                .fetch_one(self.pool())
                .await
                .unwrap();
            assert!(processed <= count, "{processed} are more than {count}");
            (processed == count).then_some(())
        })
        .await;
    }

    /// How often notifications were handed over, in all.
    pub async fn attempts(&self) -> i64 {
        sqlx::query_scalar("SELECT coalesce(sum(attempts), 0) FROM notifications")
            .fetch_one(self.pool())
            .await
            .unwrap()
    }

    /// How many events were put aside as impossible to process.
    pub async fn dead_letters(&self) -> i64 {
        sqlx::query_scalar("SELECT count(*) FROM dead_letters")
            .fetch_one(self.pool())
            .await
            .unwrap()
    }

    /// The e-mails in the folder by their Message-IDs; one that is there twice must be the same.
    pub fn mails(&self) -> BTreeMap<String, String> {
        let mut mails = BTreeMap::new();
        let text = std::fs::read_to_string(self.folder.join("mail.mbox")).unwrap_or_default();
        for mail in text.split("\nFrom MAILER-DAEMON Thu Jan  1 00:00:00 1970\n").skip(1) {
            let id = mail.lines().find_map(|line| line.strip_prefix("Message-ID: ")).unwrap();
            let first = mails.insert(id.to_owned(), mail.to_owned());
            assert!(first.is_none_or(|first| first == mail), "{id} is not the same twice");
        }
        mails
    }
}

impl Drop for Office {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

pub fn config(smtp_url: Option<String>, mail_dir: PathBuf) -> Config {
    let mail_from = "Boutique <orders@boutique.example>".parse().unwrap();
    Config { smtp_url, mail_from, mail_dir }
}

pub async fn start(env: &TestEnv, config: Config) -> anyhow::Result<TestService> {
    let kafka = KafkaConfig::plaintext(env.kafka_brokers(), env.topic_prefix());
    TestService::start(SERVICE, env.pool().await, kafka, async |kit| {
        notification::start(kit, config).await
    })
    .await
}

pub fn registered(customer: CustomerId, email: &str) -> Event {
    Event::from(contracts::events::UserRegistered {
        user_id: customer,
        email: email.parse().unwrap(),
        role: Role::Customer,
        registered_at: chrono::Utc::now(),
        trace_id: contracts::trace::TraceId::from_bytes([1; 16]),
    })
}
