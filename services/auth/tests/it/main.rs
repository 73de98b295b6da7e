//! The auth service as its clients and the other services see it, on real Postgres and Kafka.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by a panic")]

mod access;
mod admin;
mod input;
mod keys;
mod process;
mod prune;
mod refresh;
mod running;
mod sign_in;
mod sign_up;
mod tokens;
