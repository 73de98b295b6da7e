//! Boutique products service: the catalogue.

mod consumer;
mod cursor;
mod error;
mod http;
pub mod product;
pub mod seed;
mod store;

use std::net::SocketAddr;

use service_kit::{Kit, Service, ServiceConfig};
use sqlx::migrate::Migrator;

pub use crate::consumer::Inbound;

static MIGRATIONS: Migrator = sqlx::migrate!("../../migrations/products");

/// Who this service is.
pub const SERVICE: Service = Service { name: "products", port: 3001, migrations: &[&MIGRATIONS] };

/// Nothing is configured beyond what all services share.
#[derive(Clone, Debug, clap::Args)]
pub struct Config {}

impl ServiceConfig for Config {}

/// Starts what the service consists of. Returns the address it listens on.
pub async fn start(kit: &mut Kit, _config: Config) -> anyhow::Result<SocketAddr> {
    kit.await_signing_keys();
    kit.consume_events(Inbound);
    kit.serve_http(http::routes(kit.outbox.clone())).await
}
