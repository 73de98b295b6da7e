//! The HTTP side of a service: extractors, problems, and what surrounds its routes.

mod body;
mod boundary;
mod document;
mod extract;
mod json;
mod media_type;
mod precondition;
mod problem;
#[cfg(test)]
mod properties;
mod router;
mod serve;
mod trace;
mod visit;

pub use extract::{Json, Path, Query};
pub use precondition::{Expected, etag, if_match, required_if_match};
pub use problem::Problem;
pub(crate) use router::{Surroundings, router};
pub use serve::MAX_CONNECTIONS;
pub(crate) use serve::serve;
pub use trace::Trace;

use std::time::Duration;

/// The largest request body, in bytes.
pub const MAX_BODY_BYTES: usize = 64 * 1024;

/// The longest time between the head of a request and the head of its response. The body of a
/// response, such as an event stream, may take longer.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
