//! The load of the benchmark.
//!
//! The system under test has the machine to itself but for this process, `boutique-load`, which is therefore
//! made to cost as little as can be: one thread, connections without a client library around them, requests
//! whose bodies are made beforehand, answers of which the status and the id are read, and one tail of the topic
//! on which orders end.
//!
//! * [`plan`]: what it is asked to do; [`Mix`]: of which kinds of orders.
//! * [`outcome`]: what came of it. Both are JSON, and all that whoever starts the process needs to know.

pub mod mix;
pub mod outcome;
pub mod plan;

#[cfg(feature = "load")]
pub mod ceiling;
#[cfg(feature = "load")]
mod connection;
#[cfg(feature = "load")]
mod drive;
#[cfg(feature = "load")]
mod ledger;
#[cfg(feature = "load")]
mod moments;
#[cfg(feature = "load")]
mod orders;
#[cfg(feature = "load")]
mod pool;
#[cfg(feature = "load")]
mod progress;
#[cfg(feature = "load")]
pub mod run;
#[cfg(feature = "load")]
mod stats;
#[cfg(feature = "load")]
mod streams;
#[cfg(feature = "load")]
pub mod system;
#[cfg(feature = "load")]
mod tail;

pub use mix::{Kind, Mix};
pub use outcome::{Floor, Latency, Outcome, Progress, Said, Second, StreamsOutcome};
pub use plan::{Arrivals, Plan, Streams};
#[cfg(feature = "load")]
pub use progress::say;
