//! The stack itself, and what tests get from it.

mod env;
mod servers;
