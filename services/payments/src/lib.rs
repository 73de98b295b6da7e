//! Boutique payments service: what orders cost is set aside, taken, freed or given back.

pub mod cause;
pub mod changes;
mod config;
mod consumer;
mod error;
mod http;
pub mod payment;
pub mod provider;
mod record;
pub mod sandbox;
mod store;
pub mod webhook;
mod worker;

use std::net::SocketAddr;
use std::sync::Arc;

use messaging::{Consumer, KafkaConfig, Outbox, Relay};
use service_kit::{Kit, Service};
use sqlx::migrate::Migrator;
use tokio::sync::Notify;

pub use crate::config::{Config, ProviderName};
pub use crate::consumer::Inbound;
use crate::http::Till;
use crate::worker::Worker;

static MIGRATIONS: Migrator = sqlx::migrate!("../../migrations/payments");

/// Who this service is.
pub const SERVICE: Service =
    Service { name: "payments", port: 3003, migrations: &[&messaging::MIGRATIONS, &MIGRATIONS] };

/// Starts what the service consists of. Returns the address it listens on.
pub async fn start(kit: &mut Kit, config: Config) -> anyhow::Result<SocketAddr> {
    kit.await_signing_keys();
    let kafka = KafkaConfig {
        brokers: kit.kafka.kafka_brokers.clone(),
        topic_prefix: kit.kafka.kafka_topic_prefix.clone(),
    };
    let outbox = Outbox::new(kit.pool.clone(), SERVICE.name);
    let provider = config.provider();
    let due = Arc::new(Notify::new());

    let relay = Relay::new(kafka.clone(), outbox.clone());
    let shutdown = kit.shutdown.clone();
    kit.spawn("relay", async { Ok(relay.run(shutdown).await?) });
    let consumer = Consumer::new(kafka, outbox.clone(), Inbound { due: due.clone() });
    let shutdown = kit.shutdown.clone();
    kit.spawn("consumer", async { Ok(consumer.run(shutdown).await?) });
    let worker = Worker {
        outbox: outbox.clone(),
        provider: provider.clone(),
        concurrency: config.provider_concurrency.get(),
        patience: config.patience(),
        due: due.clone(),
    };
    let shutdown = kit.shutdown.clone();
    kit.spawn("provider worker", async {
        worker.run(shutdown).await;
        Ok(())
    });
    let webhook_secret = config.sandbox_webhook_secret.map(Into::into);
    kit.serve_http(http::routes(Till { outbox, provider, due, webhook_secret })).await
}
