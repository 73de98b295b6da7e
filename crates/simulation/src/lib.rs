//! The whole saga in one process, without IO, driven by a seed.
//!
//! All services' own pure rules run over topics in memory, with clocks, customers and a payment
//! provider that are simulated. Whatever the real system leaves open is a choice: in which order records
//! of different keys and topics arrive, how many make a batch, when a timer fires; and what goes wrong:
//! a crash before or after a commit, a record published twice, an inbox that has forgotten, an answer
//! of the provider that is lost. When nothing is left to do, what must hold is checked.
//!
//! * `choices`: where decisions come from: a seed, or a list of them.
//! * `plan`, `scenarios`: what comes from outside.
//! * `faults`: what can go wrong with which step.
//! * `topics`, `provider`, `services`: the parts.
//! * `world`: lets one thing happen after the other.
//! * `invariants`: what must hold.
//! * `run`, `shrink`: one run, and what is made of one that fails.

pub mod choices;
pub mod faults;
mod invariants;
pub mod plan;
mod provider;
mod run;
pub mod scenarios;
pub mod services;
pub mod shrink;
mod topics;
mod world;

pub use run::{Failure, Run, of_list, of_scenario, of_seed};
