//! The wire contracts of Boutique: topics, events, ids, money and the headers
//! every record carries. Services talk through these types alone.
//!
//! A contract changes additively (a new event, a new optional field) or
//! becomes a new topic version; consumers ignore fields they do not know.
//! To add an event see [`events`].

pub mod envelope;
pub mod events;
pub mod ids;
pub mod money;
#[cfg(feature = "schema")]
pub mod schema;
pub mod topic;
pub mod trace;

mod text;
mod typeid;
