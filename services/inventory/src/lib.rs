//! Boutique inventory service: stock, and what is set aside of it for orders.

pub mod changes;
mod consumer;
mod http;
pub mod reservation;
pub mod stock;
mod store;

use std::net::SocketAddr;

use service_kit::{Kit, Service, ServiceConfig};
use sqlx::migrate::Migrator;

pub use crate::consumer::Inbound;

static MIGRATIONS: Migrator = sqlx::migrate!("../../migrations/inventory");

/// Who this service is.
pub const SERVICE: Service = Service { name: "inventory", port: 3004, migrations: &[&MIGRATIONS] };

/// Nothing is configured beyond what all services share.
#[derive(Clone, Debug, clap::Args)]
pub struct Config {}

impl ServiceConfig for Config {}

/// Starts what the service consists of. Returns the address it listens on.
pub async fn start(kit: &mut Kit, _config: Config) -> anyhow::Result<SocketAddr> {
    kit.await_signing_keys();
    // Named before there is anything to count: the first would not be seen as an increase.
    metrics::counter!("oversell_guard_hits_total").increment(0);
    kit.consume_events(Inbound);
    kit.serve_http(http::routes(kit.outbox.clone())).await
}
