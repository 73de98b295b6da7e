//! SQL, on connections and transactions handed in.

pub mod attempts;
pub mod expired;
pub mod sessions;
pub mod signing_keys;
pub mod users;

use std::error::Error;
use std::str::FromStr;

/// Reads a column's text, which this service has written.
fn parse<T: FromStr<Err: Error + Send + Sync + 'static>>(text: &str) -> sqlx::Result<T> {
    text.parse().map_err(|error| sqlx::Error::Decode(Box::new(error)))
}
