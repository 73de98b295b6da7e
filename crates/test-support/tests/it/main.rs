//! The stack itself, and what tests get from it.

mod cost;
mod env;
mod servers;
