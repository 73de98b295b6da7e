//! Boutique expiration service: durable timers that end orders nobody paid for.

mod consumer;
mod firing;
mod pruning;
mod store;
pub mod timer;

use std::net::SocketAddr;
use std::sync::Arc;

use messaging::{Consumer, KafkaConfig, Outbox, Relay};
use service_kit::{Kit, Service};
use sqlx::migrate::Migrator;
use tokio::sync::Notify;
use utoipa_axum::router::OpenApiRouter;

use crate::consumer::Inbound;
use crate::firing::Firing;

static MIGRATIONS: Migrator = sqlx::migrate!("../../migrations/expiration");

/// Who this service is.
pub const SERVICE: Service =
    Service { name: "expiration", port: 3006, migrations: &[&messaging::MIGRATIONS, &MIGRATIONS] };

/// Nothing is configured beyond what all services share: orders say themselves when they expire.
#[derive(Clone, Debug, clap::Args)]
pub struct Config {}

/// Starts what the service consists of. Returns the address it listens on.
pub async fn start(kit: &mut Kit, _config: Config) -> anyhow::Result<SocketAddr> {
    let kafka = KafkaConfig {
        brokers: kit.kafka.kafka_brokers.clone(),
        topic_prefix: kit.kafka.kafka_topic_prefix.clone(),
    };
    let outbox = Outbox::new(kit.pool.clone(), SERVICE.name);
    let relay = Relay::new(kafka.clone(), outbox.clone());
    let shutdown = kit.shutdown.clone();
    kit.spawn("relay", async { Ok(relay.run(shutdown).await?) });
    let sooner = Arc::new(Notify::new());
    let consumer = Consumer::new(kafka, outbox.clone(), Inbound { sooner: Arc::clone(&sooner) });
    let shutdown = kit.shutdown.clone();
    kit.spawn("consumer", async { Ok(consumer.run(shutdown).await?) });
    kit.spawn("firing", Firing { outbox, sooner }.run(kit.shutdown.clone()));
    kit.spawn("pruning", pruning::run(kit.pool.clone(), kit.shutdown.clone()));
    kit.serve_http(OpenApiRouter::new()).await
}
