//! Real Postgres and Kafka for tests, and the local stack they come from.
//!
//! - [`stack`] fetches, starts and stops the servers; `cargo xtask` is built on it.
//! - [`TestEnv`] gives a test a database, roles and a topic prefix of its own on shared servers.
//! - [`OwnKafka`] and [`OwnPostgres`] are servers of one test alone, for tests that stop them.
//! - [`poison_blocks_nothing`] sends a service what nobody can process.
//! - [`events`] are published and read as services do, and made up where only their kind matters.
//! - [`kafka`] writes and reads raw records; [`eventually`] waits for a condition.

mod env;
pub mod events;
pub mod kafka;
mod leftovers;
mod own;
mod poison;
mod python;
mod registry;
mod services;
pub mod stack;
mod wait;

pub use env::{DATABASE_URL, KAFKA_BROKERS, TestEnv};
pub use events::{Delivery, event};
pub use own::{OwnKafka, OwnPostgres, remove_left_servers};
pub use poison::{poison, poison_blocks_nothing, sample};
pub use python::python;
pub use registry::OwnRegistry;
pub use services::services;
pub use wait::eventually;
