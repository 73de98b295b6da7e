//! The trace a request belongs to.

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use axum::http::HeaderMap;
use axum::http::request::Parts;
use contracts::trace::TraceContext;
use messaging::new_trace;

/// The request's step in its trace: the caller's trace where it sent a valid `traceparent`, else a
/// new one. Given to `publish`, it ties the events to the request.
#[derive(Clone, Copy, Debug)]
pub struct Trace(pub TraceContext);

impl Trace {
    pub(super) fn of(headers: &HeaderMap) -> Self {
        caller(headers).map_or_else(|| Self(new_trace()), |it| Self(spans::next(it)))
    }
}

/// The caller's step, where it has told of one.
pub(super) fn caller(headers: &HeaderMap) -> Option<TraceContext> {
    TraceContext::parse(headers.get("traceparent")?.to_str().ok()?).ok()
}

impl<S: Send + Sync> FromRequestParts<S> for Trace {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Infallible> {
        let known = parts.extensions.get().copied();
        Ok(known.unwrap_or_else(|| Self::of(&parts.headers)))
    }
}
