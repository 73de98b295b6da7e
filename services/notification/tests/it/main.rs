//! The service as customers and mail servers see it, on real Postgres and Kafka.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by a panic")]

mod access;
mod addresses;
mod folder;
mod http;
mod mail_server;
mod office;
mod orders;
mod poison;
mod smtp;
