use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context;
use contracts::events::Role;
use contracts::ids::CustomerId;
use messaging::KafkaConfig;
use serde_json::Value;
use sqlx::PgPool;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{TestSigner, documents, kit};
use crate::app::Service;
use crate::kit::Kit;
use crate::{database, tokens};

/// A whole service in the test's process: migrated, listening, consuming, with the test's key for
/// tokens known to it.
pub struct TestService {
    /// Its name.
    pub name: &'static str,
    /// `http://127.0.0.1:<port>`.
    pub url: String,
    /// Its database, as its role.
    pub pool: PgPool,
    shutdown: CancellationToken,
    running: JoinHandle<anyhow::Result<()>>,
}

impl TestService {
    /// Starts it as its `main` does. `start` must return what [`Kit::serve_http`] returned.
    pub async fn start(
        service: Service,
        pool: PgPool,
        kafka: KafkaConfig,
        start: impl AsyncFnOnce(&mut Kit) -> anyhow::Result<SocketAddr>,
    ) -> anyhow::Result<Self> {
        database::migrate(&pool, service.migrations).await?;
        let mut connection = pool.acquire().await?;
        tokens::store_signing_key(&mut connection, &TestSigner::new().published()).await?;
        drop(connection);
        let mut kit = kit(service.name, pool.clone(), kafka)?;
        let shutdown = kit.shutdown.clone();
        let address = start(&mut kit).await?;
        // Long enough that a test notices what does not end.
        let running = tokio::spawn(kit.run(Duration::from_mins(1)));
        let (name, url) = (service.name, format!("http://{address}"));
        Ok(Self { name, url, pool, shutdown, running })
    }

    /// Fails unless `docs/api` has the OpenAPI document that it answers, and the page made of it.
    pub async fn is_documented(&self) -> anyhow::Result<()> {
        documents::hold(self.name, &self.document().await?)
    }

    /// Its OpenAPI document.
    pub(super) async fn document(&self) -> anyhow::Result<Value> {
        let answer = reqwest::get(format!("{}/openapi.json", self.url)).await?;
        Ok(serde_json::from_slice(&answer.bytes().await?)?)
    }

    /// Stops it as SIGTERM does, and tells how that went.
    pub async fn stop(self) -> anyhow::Result<()> {
        self.shutdown.cancel();
        self.running.await.context("the service panicked")?
    }
}

/// Somebody with a token.
pub struct TestCaller {
    /// Who.
    pub customer: CustomerId,
    /// Their access token, for an hour.
    pub token: String,
}

impl TestCaller {
    /// A new customer.
    pub fn customer() -> anyhow::Result<Self> {
        Self::new(Role::Customer)
    }

    /// A new admin.
    pub fn admin() -> anyhow::Result<Self> {
        Self::new(Role::Admin)
    }

    fn new(role: Role) -> anyhow::Result<Self> {
        let customer = CustomerId::from_uuid(Uuid::now_v7());
        Ok(Self { customer, token: TestSigner::new().token(customer, role)? })
    }
}
