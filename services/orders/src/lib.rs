//! Boutique orders service: orders, their history, and the saga's decision.
//!
//! * `order`: where an order stands, and the one function that decides what an event makes of it.
//! * `placement`, `quote`: what a request to place an order becomes.
//! * `intake`, `idempotency`: placing orders, many in one transaction.
//! * `hub`, `feed`, `sequence`: the streams of what happens.
//! * `consumer`, `news`, `prices`: what the service hears of.
//! * `store`, `http`, `error`: the edges.

mod consumer;
mod error;
mod feed;
mod http;
mod hub;
mod idempotency;
mod intake;
pub mod news;
pub mod order;
pub mod placement;
mod prices;
pub mod quote;
mod sequence;
mod store;

use std::net::SocketAddr;

use chrono::TimeDelta;
use messaging::{Consumer, KafkaConfig, Outbox, Relay, Tail};
use service_kit::{Kit, Service};

pub use crate::consumer::OrdersHandler;
use crate::http::App;
use crate::hub::Hub;

static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!("../../migrations/orders");

/// What tells this service from the others.
pub const SERVICE: Service =
    Service { name: "orders", port: 3002, migrations: &[&messaging::MIGRATIONS, &MIGRATIONS] };

/// The service's own variables.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Orders")]
pub struct Config {
    /// Seconds after which an order that has not ended is cancelled
    #[arg(
        long,
        env = "ORDER_EXPIRY_SECONDS",
        value_name = "ORDER_EXPIRY_SECONDS",
        default_value_t = 900,
        value_parser = clap::value_parser!(u32).range(1..=7 * 86_400)
    )]
    pub order_expiry_seconds: u32,
}

/// Starts the service's tasks; returns where it listens.
pub async fn start(kit: &mut Kit, config: Config) -> anyhow::Result<SocketAddr> {
    kit.await_signing_keys();
    let kafka = KafkaConfig {
        brokers: kit.kafka.kafka_brokers.clone(),
        topic_prefix: kit.kafka.kafka_topic_prefix.clone(),
    };
    let outbox = Outbox::new(kit.pool.clone(), SERVICE.name);
    let expiry = TimeDelta::seconds(config.order_expiry_seconds.into());

    let (relay, shutdown) = (Relay::new(kafka.clone(), outbox.clone()), kit.shutdown.clone());
    kit.spawn("relay", async move { Ok(relay.run(shutdown).await?) });

    let consumer = Consumer::new(kafka.clone(), outbox.clone(), OrdersHandler);
    let shutdown = kit.shutdown.clone();
    kit.spawn("consumer", async move { Ok(consumer.run(shutdown).await?) });

    let hub = tell_customers(kit, kafka);

    // Ends with the last request that may ask for an order, so after the HTTP server.
    let (intake, task) = intake::intake(outbox.clone(), expiry);
    kit.spawn("intake", task.run());

    let shutdown = kit.shutdown.clone();
    kit.serve_http(http::routes(App { intake, outbox, hub, shutdown })).await
}

/// Starts the task that passes on the service's own events, of all replicas, to who watches.
fn tell_customers(kit: &mut Kit, kafka: KafkaConfig) -> Hub {
    let hub = Hub::default();
    let asked = hub.clone();
    kit.readiness.check("live updates", move || std::future::ready(asked.is_positioned()));
    let (tail, shutdown) = (Tail::new(kafka, SERVICE.name, hub::WANTS), kit.shutdown.clone());
    let (positioned, told) = (hub.clone(), hub.clone());
    kit.spawn("live updates", async move {
        let on_event = |received| told.tell(&received);
        Ok(tail.run(|| positioned.positioned(), on_event, shutdown).await?)
    });
    hub
}
