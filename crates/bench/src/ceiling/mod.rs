//! What an order costs at the least: nothing but the SQL of its saga, nothing but its records in Kafka, nothing
//! but its request. Each is measured by itself, on the same servers and in batches of the same size as the system
//! has them. No system of this design can be cheaper than the three together.

pub mod http;
pub mod kafka;
pub mod server;
pub mod sql;
