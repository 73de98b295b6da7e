//! What holds for the workspace as a whole, and for the seven services together.

#![allow(clippy::unwrap_used, reason = "a test fails by a panic")]

mod audit;
mod end_to_end;
mod imports;
mod migrations;
mod roles;
