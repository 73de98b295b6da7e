//! The kit as services use it.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by a panic")]

mod connections;
mod database;
mod guarded;
mod http;
mod process;
mod sample;
mod supervisor;
mod tokens;
