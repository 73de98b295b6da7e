//! What a service starts with, and the tasks it hands over.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context;
use messaging::{Consumer, DeadLetters, Handler, KafkaConfig, Outbox, Relay};
use sqlx::PgPool;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use utoipa_axum::router::OpenApiRouter;

use crate::end::End;
use crate::http::{self, Surroundings};
use crate::metrics::Metrics;
use crate::readiness::Readiness;
use crate::supervisor::Supervisor;
use crate::tokens::KeyRing;

/// One running service: its connections and its tasks.
pub struct Kit {
    /// The service's name.
    pub service: &'static str,
    /// Its database, migrated.
    pub pool: PgPool,
    /// Where its transactions begin that publish events.
    pub outbox: Outbox,
    /// Its Kafka cluster.
    pub kafka: KafkaConfig,
    /// Checks the tokens of callers.
    pub keys: KeyRing,
    /// What `/readyz` tells; reaching the database is among it.
    pub readiness: Readiness,
    /// Cancelled when the process is to stop. Tasks and streams end on it.
    pub shutdown: CancellationToken,
    end: End,
    metrics: Metrics,
    listen_addr: SocketAddr,
    supervisor: Supervisor,
}

impl Kit {
    pub(crate) fn new(
        service: &'static str,
        pool: PgPool,
        kafka: KafkaConfig,
        listen_addr: SocketAddr,
        end: End,
    ) -> anyhow::Result<Self> {
        let shutdown = end.shutdown.clone();
        let readiness = Readiness::new(end.leaving.clone());
        let asked = pool.clone();
        readiness.check("database", move || {
            let pool = asked.clone();
            async move { sqlx::query("SELECT 1").execute(&pool).await.is_ok() }
        });
        let keys = KeyRing::new(pool.clone());
        let metrics = Metrics::install()?;
        let mut supervisor = Supervisor::new(shutdown.clone());
        supervisor.spawn("metrics", metrics.clone().upkeep(pool.clone(), shutdown.clone()));
        supervisor.spawn("signing keys", keys.clone().keep_current(shutdown.clone()));
        Ok(Self {
            service,
            outbox: Outbox::new(pool.clone(), service),
            pool,
            kafka,
            keys,
            readiness,
            shutdown,
            end,
            metrics,
            listen_addr,
            supervisor,
        })
    }

    /// Not ready before auth's keys have arrived: for services that hear of them, and check tokens.
    pub fn await_signing_keys(&self) {
        let keys = self.keys.clone();
        self.readiness.check("signing keys", move || {
            let keys = keys.clone();
            async move { keys.is_filled().await }
        });
    }

    /// Starts a task that runs until [`Kit::shutdown`] is cancelled. When it ends before, fails or
    /// panics, the whole process stops with an error.
    pub fn spawn(
        &mut self,
        name: &'static str,
        task: impl Future<Output = anyhow::Result<()>> + Send + 'static,
    ) {
        self.supervisor.spawn(name, task);
    }

    /// Publishes what its transactions leave in the outbox.
    pub fn publish_events(&mut self) {
        let relay = Relay::new(self.kafka.clone(), self.outbox.clone());
        // What the others commit while they stop is published as well.
        self.supervisor
            .spawn_last("relay", |shutdown| async move { Ok(relay.run(shutdown).await?) });
    }

    /// Hears of the events that `handler` handles, tells how many of them are dead letters, and
    /// publishes: even a service without events of its own has copies of those.
    pub fn consume_events(&mut self, handler: impl Handler) {
        self.publish_events();
        let consumer = Consumer::new(self.kafka.clone(), self.outbox.clone(), handler);
        let shutdown = self.shutdown.clone();
        self.spawn("consumer", async move { Ok(consumer.run(shutdown).await?) });
        let letters = DeadLetters::new(self.outbox.clone());
        let shutdown = self.shutdown.clone();
        self.spawn("dead letters", async move {
            letters.tell_open(shutdown).await;
            Ok(())
        });
    }

    /// Opens the port and serves the routes, and with them `/healthz`, `/readyz`, `/metrics` and
    /// `/openapi.json`. Returns the address, which tells the port where 0 was asked for.
    pub async fn serve_http(&mut self, api: OpenApiRouter) -> anyhow::Result<SocketAddr> {
        let router = http::router(
            Surroundings {
                service: self.service,
                readiness: self.readiness.clone(),
                keys: self.keys.clone(),
                metrics: self.metrics.clone(),
            },
            api,
        )?;
        let listener = TcpListener::bind(self.listen_addr)
            .await
            .with_context(|| format!("cannot listen on {} (LISTEN_ADDR)", self.listen_addr))?;
        let address = listener.local_addr()?;
        self.spawn("http", http::serve(listener, router, self.end.clone()));
        tracing::info!(service = self.service, %address, "listening");
        Ok(address)
    }

    /// Runs the tasks until [`Kit::shutdown`] is cancelled or one of them fails; see
    /// [`Supervisor::run`].
    pub async fn run(self, shutdown_timeout: Duration) -> anyhow::Result<()> {
        self.supervisor.run(shutdown_timeout).await
    }
}
