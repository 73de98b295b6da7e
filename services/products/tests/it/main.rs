//! The service as its clients and its neighbours see it, on real Postgres and Kafka.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by a panic")]

mod access;
mod admin;
mod catalogue;
mod input;
mod neighbours;
mod poison;
mod shop;
