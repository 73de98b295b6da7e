//! Boutique inventory service: stock, and what is set aside of it for orders.

pub mod changes;
mod consumer;
mod http;
pub mod reservation;
pub mod stock;
mod store;

use std::net::SocketAddr;

use messaging::{Consumer, KafkaConfig, Outbox, Relay};
use service_kit::{Kit, Service};
use sqlx::migrate::Migrator;

pub use crate::consumer::Inbound;

static MIGRATIONS: Migrator = sqlx::migrate!("../../migrations/inventory");

/// Who this service is.
pub const SERVICE: Service =
    Service { name: "inventory", port: 3004, migrations: &[&messaging::MIGRATIONS, &MIGRATIONS] };

/// Nothing is configured beyond what all services share.
#[derive(Clone, Debug, clap::Args)]
pub struct Config {}

/// Starts what the service consists of. Returns the address it listens on.
pub async fn start(kit: &mut Kit, _config: Config) -> anyhow::Result<SocketAddr> {
    kit.await_signing_keys();
    let kafka = KafkaConfig {
        brokers: kit.kafka.kafka_brokers.clone(),
        topic_prefix: kit.kafka.kafka_topic_prefix.clone(),
    };
    let outbox = Outbox::new(kit.pool.clone(), SERVICE.name);
    let relay = Relay::new(kafka.clone(), outbox.clone());
    let shutdown = kit.shutdown.clone();
    kit.spawn("relay", async { Ok(relay.run(shutdown).await?) });
    let consumer = Consumer::new(kafka, outbox.clone(), Inbound);
    let shutdown = kit.shutdown.clone();
    kit.spawn("consumer", async { Ok(consumer.run(shutdown).await?) });
    kit.serve_http(http::routes(outbox)).await
}
