//! Boutique expiration service: durable timers of open orders.
//!
//! * `timer`: what a batch of events does to timers. Pure.
//! * `consumer`: hears of orders and their ends.
//! * `clock`: fires what is due; replicas share the work.
//! * `pruning`: forgets old ones.
//! * `store`: SQL.

mod clock;
mod consumer;
mod pruning;
mod store;
pub mod timer;

use std::net::SocketAddr;

use service_kit::{Kit, Service, ServiceConfig};
use sqlx::migrate::Migrator;
use utoipa_axum::router::OpenApiRouter;

use crate::clock::Clock;
pub use crate::consumer::Inbound;

static MIGRATIONS: Migrator = sqlx::migrate!("../../migrations/expiration");

/// Who this service is.
pub const SERVICE: Service = Service { name: "expiration", port: 3006, migrations: &[&MIGRATIONS] };

/// Nothing is configured beyond what all services share: an order names its own time.
#[derive(Clone, Debug, clap::Args)]
pub struct Config {}

impl ServiceConfig for Config {}

/// Starts what the service consists of. Returns the address it listens on.
pub async fn start(kit: &mut Kit, _config: Config) -> anyhow::Result<SocketAddr> {
    let clock = Clock::new(kit.outbox.clone());
    kit.consume_events(Inbound::new(&clock));
    let shutdown = kit.shutdown.clone();
    kit.spawn("clock", async { clock.run(shutdown).await });

    kit.spawn("pruning", pruning::run(kit.pool.clone(), kit.shutdown.clone()));
    kit.serve_http(OpenApiRouter::new()).await
}

/// The handler for dead letters that are redriven, in a process of its own: the clock of a
/// running replica find what it leaves in the tables.
pub fn redriving(kit: &Kit) -> Inbound {
    Inbound::new(&Clock::new(kit.outbox.clone()))
}
