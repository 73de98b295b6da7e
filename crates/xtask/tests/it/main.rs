//! What holds for the workspace as a whole, and for the seven services together.

#![allow(clippy::unwrap_used, reason = "a test fails by a panic")]

mod audit;
mod chaos;
mod crowds;
mod deploy;
mod end_to_end;
mod fuzz;
mod imports;
mod instruments;
mod migrations;
mod outages;
mod roles;
mod rolling;
mod webhook;

/// For tests that run a whole stack each: one after the other, since two would starve each other.
async fn alone() -> tokio::sync::MutexGuard<'static, ()> {
    static STACK: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());
    STACK.lock().await
}
