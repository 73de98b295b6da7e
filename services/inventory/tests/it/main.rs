//! The inventory service against real Postgres and Kafka.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by a panic")]

mod access;
mod hot_product;
mod http;
mod orders;
mod poison;
mod products;
mod set_stock;
mod warehouse;
