//! Boutique payments service: what orders cost is set aside, taken, freed or given back.

mod call;
pub mod cause;
pub mod changes;
mod config;
mod consumer;
mod due;
mod error;
mod http;
pub mod payment;
pub mod provider;
mod record;
mod recorder;
pub mod sandbox;
mod store;
pub mod webhook;
mod worker;

use std::net::SocketAddr;

use service_kit::{Kit, Service};
use sqlx::migrate::Migrator;

pub use crate::config::{Config, ProviderName};
pub use crate::consumer::Inbound;
use crate::due::Due;
use crate::http::Till;
use crate::worker::Worker;

static MIGRATIONS: Migrator = sqlx::migrate!("../../migrations/payments");

/// Who this service is.
pub const SERVICE: Service = Service { name: "payments", port: 3003, migrations: &[&MIGRATIONS] };

/// Starts what the service consists of. Returns the address it listens on.
pub async fn start(kit: &mut Kit, config: Config) -> anyhow::Result<SocketAddr> {
    kit.await_signing_keys();
    let provider = config.provider();
    let (due, worklist) =
        messaging::handover(config.provider_concurrency.get(), config.patience(), worker::SPARE);

    kit.consume_events(Inbound { due: due.clone() });
    let worker = Worker {
        outbox: kit.outbox.clone(),
        provider: provider.clone(),
        patience: config.patience(),
        due: due.clone(),
        worklist,
    };
    let shutdown = kit.shutdown.clone();
    kit.spawn("provider worker", async {
        worker.run(shutdown).await;
        Ok(())
    });
    let webhook_secret = config.sandbox_webhook_secret.map(Into::into);
    let till = Till { outbox: kit.outbox.clone(), provider, due, webhook_secret };
    kit.serve_http(http::routes(till)).await
}

/// The handler for dead letters that are redriven, in a process of its own: the workers of a
/// running replica find what it leaves in the tables.
pub fn redriving(_kit: &Kit) -> Inbound {
    Inbound { due: Due::elsewhere() }
}
