//! The saga under everything that can go wrong.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "what tests share ends them by a panic, too"
)]

mod seeds;
mod shrinking;
mod steps;
