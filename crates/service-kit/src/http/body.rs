//! How large the body of a request may be, and whose fault it is when it does not come.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use axum::body::{Body, Bytes, HttpBody};
use axum::http::header::CONTENT_LENGTH;
use axum::http::{HeaderMap, StatusCode};
use hyper::body::{Frame, SizeHint};

use super::problem::Problem;
use super::{MAX_BODY_BYTES, REQUEST_TIMEOUT};

/// Whether the head of a request says already that its body is too large.
pub(super) fn is_declared_too_large(headers: &HeaderMap) -> bool {
    let declared = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    declared.is_some_and(|bytes: u64| bytes > MAX_BODY_BYTES as u64)
}

pub(super) fn too_large() -> Problem {
    Problem::new(
        StatusCode::PAYLOAD_TOO_LARGE,
        "body-too-large",
        format!("The body may have at most {MAX_BODY_BYTES} bytes."),
    )
}

pub(super) fn too_slow() -> Problem {
    let seconds = REQUEST_TIMEOUT.as_secs();
    Problem::new(
        StatusCode::REQUEST_TIMEOUT,
        "body-too-slow",
        format!("The body did not arrive within {seconds} seconds; send the request again."),
    )
}

/// How far a handler is with its request's body.
#[derive(Clone, Default)]
pub(super) struct Progress(Arc<Reached>);

#[derive(Default)]
struct Reached {
    /// More is waited for.
    awaited: AtomicBool,
    /// It was read to its end.
    ended: AtomicBool,
}

impl Progress {
    /// The same body, watched.
    pub(super) fn watch(&self, body: Body) -> Body {
        let reached = Arc::clone(&self.0);
        reached.ended.store(body.is_end_stream(), Ordering::Relaxed);
        Body::new(Watched { body, reached })
    }

    /// Whether the handler waits for more.
    pub(super) fn is_awaited(&self) -> bool {
        self.0.awaited.load(Ordering::Relaxed)
    }

    /// Whether there was none, or all of it was read.
    pub(super) fn is_ended(&self) -> bool {
        self.0.ended.load(Ordering::Relaxed)
    }
}

struct Watched {
    body: Body,
    reached: Arc<Reached>,
}

impl HttpBody for Watched {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(context);
        let ended = matches!(polled, Poll::Ready(None)) || self.body.is_end_stream();
        self.reached.awaited.store(polled.is_pending(), Ordering::Relaxed);
        self.reached.ended.store(ended, Ordering::Relaxed);
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
