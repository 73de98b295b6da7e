//! The expiration service against real Postgres and Kafka.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by a panic")]

mod access;
mod firing;
mod outages;
mod poison;
mod replicas;
mod timers;
mod world;
