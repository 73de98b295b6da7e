//! What every service of Boutique starts with: configuration, telemetry, a supervisor, the
//! database, HTTP with its errors, and the check of access tokens.
//!
//! A service names itself, and starts its parts on the [`Kit`] it is given:
//!
//! ```no_run
//! use std::net::SocketAddr;
//!
//! use service_kit::{Kit, Service};
//! use utoipa_axum::router::OpenApiRouter;
//!
//! /// The service's own variables.
//! #[derive(clap::Args)]
//! struct Config {
//!     /// Seconds between two greetings
//!     #[arg(long, env = "GREETING_SECONDS", value_name = "GREETING_SECONDS", default_value_t = 5)]
//!     greeting_seconds: u64,
//! }
//!
//! const SERVICE: Service = Service { name: "greeter", port: 3010, migrations: &[] };
//!
//! async fn start(kit: &mut Kit, config: Config) -> anyhow::Result<SocketAddr> {
//!     let shutdown = kit.shutdown.clone();
//!     kit.spawn("greeter", async move {
//!         let mut interval =
//!             tokio::time::interval(std::time::Duration::from_secs(config.greeting_seconds));
//!         while shutdown.run_until_cancelled(interval.tick()).await.is_some() {
//!             tracing::info!("hello");
//!         }
//!         Ok(())
//!     });
//!     kit.serve_http(OpenApiRouter::new()).await
//! }
//!
//! fn main() -> std::process::ExitCode {
//!     service_kit::main(SERVICE, start)
//! }
//! ```

mod app;
pub mod config;
pub mod database;
pub mod http;
mod kit;
pub mod metrics;
mod readiness;
mod supervisor;
pub mod telemetry;
#[cfg(feature = "testing")]
pub mod testing;
pub mod tokens;

pub use app::{Service, main, main_with_commands};
pub use kit::Kit;
pub use readiness::{Readiness, ReadyFlag};
pub use supervisor::Supervisor;
