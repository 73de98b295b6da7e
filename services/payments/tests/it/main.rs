//! The payments service against real Postgres and Kafka.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by a panic")]

mod access;
mod crash;
mod late;
mod pay;
mod poison;
mod provider;
mod race;
mod shop;
mod steps;
mod webhooks;
