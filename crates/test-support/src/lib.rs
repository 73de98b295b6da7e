//! Real Postgres and Kafka for tests, and the local stack they come from.
//!
//! - [`stack`] fetches, starts and stops the servers; `cargo xtask` is built on it.
//! - [`TestEnv`] gives a test a database, roles and a topic prefix of its own on shared servers.
//! - [`OwnKafka`] and [`OwnPostgres`] are servers of one test alone, for tests that stop them.
//! - [`kafka`] writes and reads raw records; [`eventually`] waits for a condition.

mod env;
mod events;
pub mod kafka;
mod leftovers;
mod own;
pub mod stack;
mod wait;

pub use env::{DATABASE_URL, KAFKA_BROKERS, TestEnv};
pub use events::{Delivery, event};
pub use own::{OwnKafka, OwnPostgres, remove_left_servers};
pub use wait::eventually;
