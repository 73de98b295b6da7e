//! Boutique orders service: orders, their history, and the saga's decision.
//!
//! * `order`: where an order stands, and the one function that decides what an event makes of it.
//! * `placement`, `quote`: what a request to place an order becomes.
//! * `intake`, `idempotency`, `ids`: placing orders, many in one transaction.
//! * `limit`: how many of them a customer may place.
//! * `hub`, `feed`, `sequence`: the streams of what happens.
//! * `consumer`, `news`, `prices`: what the service hears of.
//! * `store`, `http`, `error`: the edges.

mod consumer;
mod error;
mod feed;
mod figures;
mod http;
mod hub;
mod idempotency;
mod ids;
mod intake;
mod limit;
pub mod news;
pub mod order;
pub mod placement;
mod prices;
pub mod quote;
mod sequence;
mod store;

use std::net::SocketAddr;

use chrono::TimeDelta;
use messaging::Tail;
use service_kit::http::MAX_CONNECTIONS;
use service_kit::{Kit, Service, ServiceConfig};

pub use crate::consumer::OrdersHandler;
use crate::http::App;
use crate::hub::{Hub, Limits};
use crate::limit::Limit;

/// Event streams a replica has open at once: of the connections it takes, some are left for requests and probes.
const STREAMS: usize = MAX_CONNECTIONS - 1_000;

static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!("../../migrations/orders");

/// What tells this service from the others.
pub const SERVICE: Service = Service { name: "orders", port: 3002, migrations: &[&MIGRATIONS] };

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
    /// Orders a customer may place in a minute, at each replica
    // More would not be held to exactly.
    #[arg(
        long,
        env = "ORDERS_PER_CUSTOMER",
        value_name = "ORDERS_PER_CUSTOMER",
        default_value_t = 60,
        value_parser = clap::value_parser!(u32).range(1..=100_000)
    )]
    pub orders_per_customer: u32,
    /// Event streams a customer may have open, at each replica
    #[arg(
        long,
        env = "STREAMS_PER_CUSTOMER",
        value_name = "STREAMS_PER_CUSTOMER",
        default_value_t = 20,
        value_parser = clap::value_parser!(u16).range(1..)
    )]
    pub streams_per_customer: u16,
}

impl ServiceConfig for Config {}

/// Starts the service's tasks; returns where it listens.
pub async fn start(kit: &mut Kit, config: Config) -> anyhow::Result<SocketAddr> {
    kit.await_signing_keys();
    figures::begin();
    let expiry = TimeDelta::seconds(config.order_expiry_seconds.into());

    kit.consume_events(OrdersHandler);
    let hub = tell_customers(kit, config.streams_per_customer);

    // Ends with the last request that may ask for an order, so after the HTTP server.
    let (intake, task) = intake::intake(kit.outbox.clone(), expiry);
    kit.spawn("intake", task.run());

    let (outbox, shutdown) = (kit.outbox.clone(), kit.shutdown.clone());
    let limit = Limit::new(config.orders_per_customer);
    kit.serve_http(http::routes(App { limit, intake, outbox, hub, shutdown })).await
}

/// Starts the task that passes on the service's own events, of all replicas, to who watches.
fn tell_customers(kit: &mut Kit, streams_per_customer: u16) -> Hub {
    // Not among what makes the service ready: with the brokers away, orders are placed all the same, and who
    // wants to watch is told to come back.
    let hub = Hub::new(Limits { of_customer: streams_per_customer.into(), of_all: STREAMS });
    let tail = Tail::new(kit.kafka.clone(), kit.service, hub::WANTS);
    let shutdown = kit.shutdown.clone();
    let (positioned, told) = (hub.clone(), hub.clone());
    kit.spawn("live updates", async move {
        let on_event = |received| told.tell(&received);
        Ok(tail.run(|| positioned.positioned(), on_event, shutdown).await?)
    });
    hub
}
