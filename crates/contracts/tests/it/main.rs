//! The contracts as the outside world sees them: golden bodies, and bodies
//! that are wrong in every way.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panic")]

mod asyncapi;
mod fields;
mod golden;
mod round_trip;
mod schemas;
mod validation;
