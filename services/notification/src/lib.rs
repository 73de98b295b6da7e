//! Boutique notification service: tells customers by e-mail how their orders fare.

mod config;
mod consumer;
mod cursor;
pub mod delivery;
mod folder;
mod http;
mod mail;
mod mailer;
pub mod notice;
mod sender;
mod smtp;
mod smtp_url;
mod store;

use std::net::SocketAddr;

use messaging::Handover;
use service_kit::{Kit, Service};
use sqlx::migrate::Migrator;

pub use crate::config::Config;
pub use crate::consumer::Inbound;
use crate::mailer::Mailer;
use crate::sender::Sender;

static MIGRATIONS: Migrator = sqlx::migrate!("../../migrations/notification");

/// Who this service is.
pub const SERVICE: Service =
    Service { name: "notification", port: 3005, migrations: &[&MIGRATIONS] };

/// Starts what the service consists of. Returns the address it listens on.
pub async fn start(kit: &mut Kit, config: Config) -> anyhow::Result<SocketAddr> {
    kit.await_signing_keys();
    // Named before there is anything to count: the first would not be seen as an increase.
    metrics::counter!("notifications_given_up_total").increment(0);
    let mailer = Mailer::new(&config).await?;
    let (due, worklist) = messaging::handover(mailer.at_once(), sender::PATIENCE, sender::SPARE);
    let sender = Sender { pool: kit.pool.clone(), mailer, from: config.mail_from, worklist };
    kit.consume_events(Inbound { due });
    kit.spawn("sender", sender.run(kit.shutdown.clone()));
    kit.serve_http(http::routes(kit.pool.clone())).await
}

/// The handler for dead letters that are redriven, in a process of its own: the senders of a
/// running replica find what it leaves in the tables.
pub fn redriving(_kit: &Kit) -> Inbound {
    Inbound { due: Handover::elsewhere() }
}
