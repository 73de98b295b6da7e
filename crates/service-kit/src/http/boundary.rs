//! What every request passes through: its trace, its time-out, and the one place where failures are
//! logged.

use std::any::Any;

use axum::extract::Request;
use axum::http::header::{AUTHORIZATION, CACHE_CONTROL, CONNECTION, COOKIE};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tracing::Instrument;

use super::body::Progress;
use super::problem::Problem;
use super::trace::Trace;
use super::visit::Visit;
use super::{REQUEST_TIMEOUT, body};

const TRACE_ID: HeaderName = HeaderName::from_static("trace-id");

/// Wraps the handling of one request.
pub(super) async fn boundary(mut request: Request, next: Next) -> Response {
    let trace = Trace::of(request.headers());
    let visit = Visit::begin(&request, trace.0);
    let trace_id = trace.0.trace_id.to_string();
    request.extensions_mut().insert(trace);
    let personal = is_personal(request.headers());

    let body = Progress::default();
    let request = request.map(|unwatched| body.watch(unwatched));
    let mut response = handled(request, &body, next).instrument(visit.span.clone()).await;

    let problem = response.extensions_mut().remove().or_else(|| problem_of(&response));
    if let Some(problem) = problem {
        visit.span.in_scope(|| log(&problem));
        response = rendered(&problem, &response, &trace_id);
    }
    if let Ok(value) = HeaderValue::try_from(trace_id) {
        response.headers_mut().insert(TRACE_ID, value);
    }
    if personal {
        response.headers_mut().entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    }
    if !body.is_ended() {
        // What is left of the body stands before the next request: hyper ends the connection, and a client that
        // is not told sends its next request into the void.
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    visit.end(response.status());
    response
}

/// The response of the handler, or of the bounds that all requests have.
async fn handled(request: Request, body: &Progress, next: Next) -> Response {
    if body::is_declared_too_large(request.headers()) {
        return body::too_large().into_response();
    }
    match tokio::time::timeout(REQUEST_TIMEOUT, next.run(request)).await {
        Ok(response) => response,
        Err(_elapsed) if body.is_awaited() => body::too_slow().into_response(),
        Err(_elapsed) => timed_out().into_response(),
    }
}

/// Whether the response may be meant for one caller alone.
fn is_personal(headers: &HeaderMap) -> bool {
    headers.contains_key(AUTHORIZATION) || headers.contains_key(COOKIE)
}

/// Makes a panic of a handler an internal error.
pub(super) fn panicked(_payload: Box<dyn Any + Send>) -> Response {
    // Its message and place are in the log already.
    Problem::internal("the handler panicked").into_response()
}

fn timed_out() -> Problem {
    Problem::unavailable("The service did not answer in time; try again in a second.")
}

/// Errors that axum itself, or a handler without a problem, has answered.
fn problem_of(response: &Response) -> Option<Problem> {
    let status = response.status();
    match status {
        StatusCode::NOT_FOUND => {
            Some(Problem::not_found("Nothing is served at this path; /openapi.json lists what is."))
        }
        StatusCode::METHOD_NOT_ALLOWED => Some(Problem::new(
            status,
            "method-not-allowed",
            "This path does not take this method; the header Allow lists those it takes.",
        )),
        StatusCode::PAYLOAD_TOO_LARGE => Some(body::too_large()),
        _ if status.is_client_error() => {
            Some(Problem::new(status, "bad-request", "The request cannot be handled as it is."))
        }
        _ if status.is_server_error() => Some(Problem::internal("a response without a problem")),
        _ => None,
    }
}

// Keeps headers such as Allow.
fn rendered(problem: &Problem, response: &Response, trace_id: &str) -> Response {
    let mut rendered = problem.render(Some(trace_id.to_owned()));
    for (name, value) in response.headers() {
        if !rendered.headers().contains_key(name) && name != axum::http::header::CONTENT_LENGTH {
            rendered.headers_mut().append(name, value.clone());
        }
    }

    rendered
}

fn log(problem: &Problem) {
    let (status, slug) = (problem.status().as_u16(), problem.slug());
    match problem.cause() {
        Some(error) if problem.status() == StatusCode::SERVICE_UNAVAILABLE => {
            tracing::warn!(status, error, "request failed for now");
        }
        Some(error) => tracing::error!(status, error, "request failed"),
        None => tracing::debug!(status, slug, "request refused"),
    }
}
