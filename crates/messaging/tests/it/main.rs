//! The messaging core against real Kafka and Postgres.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test ends by a panic, and some print what they measured"
)]

mod bytes;
mod codecs;
mod crash;
mod handler;
mod kafka_outage;
mod latency;
mod log;
mod poison;
mod postgres_outage;
mod rebalance;
mod redelivery;
mod redrive;
mod relay;
mod reminders;
mod retries;
mod shutdown;
mod stranded;
mod tail;
mod unavailable;
mod volume;
mod world;
