//! What every service of Boutique starts with: configuration, telemetry, a supervisor, the
//! database, HTTP with its errors, and the check of access tokens.
//!
//! A service names itself, and starts its parts on the [`Kit`] it is given:
//!
//! ```no_run
#![doc = include_str!("../examples/greeter.rs")]
//! ```

mod app;
pub mod config;
pub mod database;
mod dlq;
mod end;
pub mod http;
mod kit;
pub mod metrics;
mod readiness;
mod registry;
mod supervisor;
pub mod telemetry;
#[cfg(feature = "testing")]
pub mod testing;
pub mod tokens;

/// Serves Rust and librdkafka, whose threads allocate what ours free. With glibc's allocator, services took an eighth
/// more processor time.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

pub use app::{
    Service, ServiceConfig, failed, main, main_of_consumer, main_with_commands,
    with_secrets_from_files,
};
pub use dlq::DeadLetterCommand;
pub use kit::Kit;
pub use readiness::{Readiness, ReadyFlag};
pub use supervisor::Supervisor;
