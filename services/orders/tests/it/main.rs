//! The orders service against real Postgres and Kafka.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "what tests share ends them by a panic, too"
)]

mod access;
mod catalogue;
mod dead_letters;
mod idempotency;
mod limits;
mod placing;
mod poison;
mod reading;
mod running;
mod saga;
mod stream;
