//! The trace a request belongs to.

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use axum::http::HeaderMap;
use axum::http::request::Parts;
use contracts::trace::TraceContext;

/// The request's step in its trace: the caller's trace where it sent a valid `traceparent`, else a
/// new one. Given to `publish`, it ties the events to the request.
#[derive(Clone, Copy, Debug)]
pub struct Trace(pub TraceContext);

/// A trace for a chain that nobody outside started.
pub fn new_trace() -> TraceContext {
    TraceContext::new(rand::random(), rand::random())
}

impl Trace {
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let caller = headers.get("traceparent").and_then(|value| value.to_str().ok());
        match caller.map(TraceContext::parse) {
            Some(Ok(caller)) => Self(caller.child(rand::random())),
            _ => Self(new_trace()),
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Trace {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Infallible> {
        let known = parts.extensions.get().copied();
        Ok(known.unwrap_or_else(|| Self::of(&parts.headers)))
    }
}
