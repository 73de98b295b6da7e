//! What a test has for itself on shared servers.

#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "only tests call it, and they end by a panic"
)]

use std::time::Duration;

use anyhow::{Context, Result};
use sqlx::postgres::PgPoolOptions;
use sqlx::{AssertSqlSafe, Connection, PgConnection, PgPool};

use crate::stack::{checkout, create_service_role, in_database, url_with};
use crate::{eventually, kafka, leftovers};

/// Variable with the superuser's URL of the shared Postgres.
pub const DATABASE_URL: &str = "BOUTIQUE_TEST_DATABASE_URL";
/// Variable with the bootstrap address of the shared Kafka.
pub const KAFKA_BROKERS: &str = "BOUTIQUE_TEST_KAFKA_BROKERS";

/// Partitions of a topic unless the test asks for another number.
const PARTITIONS: i32 = 6;
/// All roles of tests have it: their databases are thrown away.
const PASSWORD: &str = "test";

/// A database with a service's role and schema, made as in production, and a topic prefix, all
/// of this test alone.
#[derive(Debug)]
pub struct TestEnv {
    service: String,
    /// `<process id>_<random>`: leftovers are told from what is in use by the process.
    id: String,
    /// URL of this test's database for the superuser.
    superuser_url: String,
    database: String,
    brokers: String,
    topic_prefix: String,
}

impl TestEnv {
    /// Makes the environment of a service's test on the shared servers: those of
    /// `BOUTIQUE_TEST_DATABASE_URL` and `BOUTIQUE_TEST_KAFKA_BROKERS`, or the running test stack.
    ///
    /// # Panics
    ///
    /// When there are no servers; the message tells the command that starts them.
    pub async fn new(service: &str) -> Self {
        let (database_url, brokers) = shared_servers()
            .expect("no servers to test with; start them with `cargo xtask test-stack up`");
        leftovers::remove_once(&database_url, &brokers).await;
        Self::on(service, &database_url, &brokers).await
    }

    /// Makes the environment on servers of the test's own, such as [`OwnPostgres`](crate::OwnPostgres)
    /// and [`OwnKafka`](crate::OwnKafka).
    ///
    /// # Panics
    ///
    /// When Postgres does not answer.
    pub async fn on(service: &str, superuser_url: &str, brokers: &str) -> Self {
        let id = leftovers::new_id();
        let database = leftovers::database_name(&id);
        let made: Result<()> = async {
            let mut connection = PgConnection::connect(superuser_url).await?;
            // Nothing in the name needs quoting.
            sqlx::raw_sql(AssertSqlSafe(format!("CREATE DATABASE {database}")))
                .execute(&mut connection)
                .await?;
            Ok(connection.close().await?)
        }
        .await;
        made.context("Postgres does not answer; start it with `cargo xtask test-stack up`")
            .expect("a database of the test's own");
        let env = Self {
            service: service.to_owned(),
            topic_prefix: leftovers::topic_prefix(&id),
            id,
            superuser_url: in_database(superuser_url, &database),
            database,
            brokers: brokers.to_owned(),
        };
        env.database_url_of(service).await;
        env
    }

    /// The service it was made for.
    pub fn service(&self) -> &str {
        &self.service
    }

    /// The database's URL for the service's role; its schema is the search path.
    pub fn database_url(&self) -> String {
        self.url(&self.role(&self.service))
    }

    /// The same for another service, whose role and schema are made where they are missing.
    ///
    /// # Panics
    ///
    /// When Postgres does not answer.
    pub async fn database_url_of(&self, service: &str) -> String {
        let role = self.role(service);
        let mut connection = self.superuser().await;
        create_service_role(&mut connection, &role, service, PASSWORD)
            .await
            .expect("a role for the service");
        connection.close().await.expect("the connection closes");
        self.url(&role)
    }

    /// The database's URL for the superuser.
    pub fn superuser_url(&self) -> String {
        self.superuser_url.clone()
    }

    /// A connection to the database as superuser.
    ///
    /// # Panics
    ///
    /// When Postgres does not answer.
    pub async fn superuser(&self) -> PgConnection {
        PgConnection::connect(&self.superuser_url).await.expect("a connection as superuser")
    }

    /// Waits until so many sessions, or more, wait for a lock in this database.
    ///
    /// # Panics
    ///
    /// When that does not come about within half a minute, or Postgres does not answer.
    pub async fn until_blocked(&self, sessions: usize) {
        let mut observer = self.superuser().await;
        eventually(Duration::from_secs(30), async || {
            let blocked: i64 = sqlx::query_scalar(
                "SELECT count(*) FROM pg_stat_activity
                 WHERE datname = current_database() AND wait_event_type = 'Lock'",
            )
            .fetch_one(&mut observer)
            .await
            .expect("an answer of Postgres");
            usize::try_from(blocked).is_ok_and(|blocked| blocked >= sessions).then_some(())
        })
        .await;
    }

    /// A pool of up to ten connections as the service's role.
    ///
    /// # Panics
    ///
    /// When Postgres does not answer.
    pub async fn pool(&self) -> PgPool {
        PgPoolOptions::new()
            .max_connections(10)
            .connect(&self.database_url())
            .await
            .expect("a connection as the service's role")
    }

    /// Bootstrap address of Kafka.
    pub fn kafka_brokers(&self) -> &str {
        &self.brokers
    }

    /// What the names of all topics of this test begin with.
    pub fn topic_prefix(&self) -> &str {
        &self.topic_prefix
    }

    /// The name in Kafka of this test's topic.
    pub fn topic(&self, name: &str) -> String {
        format!("{}{name}", self.topic_prefix)
    }

    /// Makes topics of six partitions; the prefix is added. Returns when they can be used.
    ///
    /// # Panics
    ///
    /// When Kafka does not answer.
    pub async fn create_topics(&self, names: &[&str]) {
        self.create_topics_of(names, PARTITIONS).await;
    }

    /// The same with another number of partitions.
    ///
    /// # Panics
    ///
    /// When Kafka does not answer.
    pub async fn create_topics_of(&self, names: &[&str], partitions: i32) {
        let names: Vec<_> = names.iter().map(|name| self.topic(name)).collect();
        let names: Vec<_> = names.iter().map(String::as_str).collect();
        kafka::create_topics(&self.brokers, &names, partitions)
            .await
            .expect("Kafka makes the topics; start it with `cargo xtask test-stack up`");
    }

    fn role(&self, service: &str) -> String {
        format!("{service}_{}", self.id)
    }

    fn url(&self, role: &str) -> String {
        url_with(&self.superuser_url, role, PASSWORD, &self.database).expect("a URL that was used")
    }
}

fn shared_servers() -> Result<(String, String)> {
    if let (Ok(database), Ok(kafka)) = (std::env::var(DATABASE_URL), std::env::var(KAFKA_BROKERS)) {
        return Ok((database, kafka));
    }
    let path = checkout().join(".local/test/stack.json");
    let text = std::fs::read_to_string(&path)
        .with_context(|| format!("{} is not there", path.display()))?;
    let stack: serde_json::Value = serde_json::from_str(&text)?;
    let field = |name: &str| {
        stack[name].as_str().map(str::to_owned).with_context(|| format!("{name} is missing"))
    };
    Ok((field("databaseUrl")?, field("kafkaBrokers")?))
}
