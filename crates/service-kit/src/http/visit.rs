//! What is told of a request once it is over: a log line, a step in its trace, figures.

use std::mem;
use std::time::Instant;

use axum::extract::{MatchedPath, Request};
use axum::http::{Method, StatusCode};
use contracts::trace::{SpanId, TraceContext};
use metrics::Label;
use spans::{Kind, Step};
use tracing::Span;

use super::trace::caller;

/// A request on its way, told when it is dropped: so it is told as well where nobody waits for the answer any more,
/// since then the server drops all that was at work on it.
pub(super) struct Visit {
    /// What is logged on the way belongs to it.
    pub(super) span: Span,
    method: &'static str,
    route: String,
    trace: TraceContext,
    caller: Option<SpanId>,
    started: Instant,
    /// That of the answer, once it is there.
    status: Option<StatusCode>,
}

impl Visit {
    pub(super) fn begin(request: &Request, trace: TraceContext) -> Self {
        let method = method_label(request.method());
        let route = request
            .extensions()
            .get::<MatchedPath>()
            .map_or_else(|| "unmatched".to_owned(), |path| path.as_str().to_owned());
        Self {
            span: tracing::info_span!("request", method, route, trace_id = %trace.trace_id),
            method,
            route,
            trace,
            caller: caller(request.headers()).map(|caller| caller.span_id),
            started: Instant::now(),
            status: None,
        }
    }

    /// The answer is there.
    pub(super) fn end(mut self, status: StatusCode) {
        self.status = Some(status);
    }

    fn step(&self) -> Step {
        let mut attributes = vec![
            ("http.request.method", self.method.to_owned()),
            ("http.route", self.route.clone()),
        ];
        let status = self.status.map(|status| status.as_u16().to_string());
        attributes.extend(status.map(|status| ("http.response.status_code", status)));
        Step {
            name: format!("{} {}", self.method, self.route),
            kind: Kind::Server,
            context: self.trace,
            parent: self.caller,
            started: self.started,
            links: Vec::new(),
            attributes,
            error: match self.status {
                None => Some("nobody waited for the answer".to_owned()),
                Some(status) => status.is_server_error().then(|| status.to_string()),
            },
        }
    }

    fn record(&mut self) {
        let labels = [
            Label::new("method", self.method),
            Label::new("route", mem::take(&mut self.route)),
            Label::new("status", self.status.map_or("unanswered", class)),
        ];
        metrics::counter!("http_requests_total", labels.iter()).increment(1);
        metrics::histogram!("http_request_duration_seconds", labels.iter())
            .record(self.started.elapsed());
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        let elapsed = self.started.elapsed();
        if let Some(status) = self.status.map(|status| status.as_u16()) {
            tracing::debug!(parent: &self.span, status, ?elapsed, "answered");
        } else {
            tracing::debug!(parent: &self.span, ?elapsed, "nobody waited for the answer");
        }
        // Probes and scrapes would be most of all traces, and tell nothing.
        if self.route.starts_with("/api/") && spans::records(&self.trace) {
            spans::tell(self.step());
        }
        self.record();
    }
}

// Clients may invent methods; a label of theirs would grow the metrics without bound.
fn method_label(method: &Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "HEAD" => "HEAD",
        "POST" => "POST",
        "PUT" => "PUT",
        "PATCH" => "PATCH",
        "DELETE" => "DELETE",
        "OPTIONS" => "OPTIONS",
        _ => "other",
    }
}

fn class(status: StatusCode) -> &'static str {
    match status.as_u16() / 100 {
        1 => "1xx",
        2 => "2xx",
        3 => "3xx",
        4 => "4xx",
        _ => "5xx",
    }
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;

    #[test]
    fn a_step_fails_where_nobody_waited_for_the_answer_or_it_is_of_a_failure() {
        let told = |status| {
            let request = Request::new(Body::empty());
            let mut visit = Visit::begin(&request, TraceContext::new([7; 16], [8; 8]));
            visit.status = status;
            let Step { name, attributes, error, .. } = visit.step();
            assert_eq!(name, "GET unmatched");
            let status = attributes.into_iter().find(|(name, _)| name.ends_with("status_code"));
            (status.map(|(_, status)| status), error.is_some())
        };
        assert_eq!(told(None), (None, true));
        assert_eq!(told(Some(StatusCode::ACCEPTED)), (Some("202".to_owned()), false));
        assert_eq!(told(Some(StatusCode::CONFLICT)), (Some("409".to_owned()), false));
        let failed = told(Some(StatusCode::SERVICE_UNAVAILABLE));
        assert_eq!(failed, (Some("503".to_owned()), true));
    }
}
