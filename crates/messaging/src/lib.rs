//! The messaging core: how a service changes its state and tells the others about it, exactly once in
//! effect, although every delivery is at least once.
//!
//! * [`Outbox`] and [`Tx`]: events are written in the transaction that changes the state.
//! * [`Relay`]: publishes them to Kafka in order per key, one leader per service.
//! * [`Consumer`] and [`Handler`]: batches of events, one transaction a batch, deduplicated by the
//!   inbox; what can never be processed becomes a dead letter.
//! * [`DeadLetters`]: shows an operator what was kept, and processes it after all.
//! * [`Handover`]: what a transaction makes due goes to the worker that does it, without a claim.
//! * [`reminders`]: when rows are to be looked at again, without an index that their changes have to touch.
//! * [`key_hash`]: which keys share a partition.
//! * [`Tail`]: follows topics without a group, for live streams.
//! * [`Admin`]: topics and groups, as an operator sees them.
//!
//! This is the only crate, with the test support, that knows rdkafka.

mod admin;
mod backoff;
mod batch;
mod consumer;
mod dead_letter;
mod deadline;
mod error;
mod handover;
mod inbox;
mod kafka;
mod lag;
mod linger;
mod outbox;
mod pack;
mod partition;
mod poller;
mod producer;
mod record;
mod relay;
pub mod reminders;
mod steps;
mod stranded;
mod tail;

pub use admin::{Admin, History, Made, PartitionState, Progress, TopicState};
pub use consumer::{Consumer, Handler};
pub use dead_letter::{
    DeadLetter, DeadLetters, Discarded, Fate, Filter, Redriven, State, Summary, Unavailable,
};
pub use deadline::in_time;
pub use error::{HandlerError, MessagingError, is_database_unavailable};
pub use handover::{HandedOver, Handover, Leased, Worklist, handover, lease_end};
pub use kafka::{KafkaConfig, Sasl, Tls};
pub use linger::Linger;
pub use outbox::{Outbox, PublishError, Tx};
pub use partition::key_hash;
pub use record::{Received, new_trace};
pub use relay::Relay;
pub use tail::Tail;

/// The tables of this crate, to be applied in each service's schema before the service's own.
pub static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!("../../migrations/messaging");
