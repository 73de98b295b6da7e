//! A step as the SDK has it.

use std::time::SystemTime;

use contracts::trace::TraceContext;
use opentelemetry::trace::{
    Link, SpanContext, SpanId, SpanKind, Status, TraceFlags, TraceId, TraceState,
};
use opentelemetry::{InstrumentationScope, KeyValue};
use opentelemetry_sdk::trace::{SpanData, SpanEvents, SpanLinks};

use crate::{Kind, Step};

/// A batch may serve hundreds; the first tell enough.
const LINKS: usize = 128;

pub(crate) fn span(step: Step, end: SystemTime) -> SpanData {
    let start = end.checked_sub(step.started.elapsed()).unwrap_or(end);
    let mut links = SpanLinks::default();
    let dropped = step.links.len().saturating_sub(LINKS);
    links.dropped_count = u32::try_from(dropped).unwrap_or(u32::MAX);
    links.links = step.links.iter().take(LINKS).map(|to| Link::with_context(context(to))).collect();
    SpanData {
        span_context: context(&step.context),
        parent_span_id: step
            .parent
            .map_or(SpanId::INVALID, |id| SpanId::from_bytes(*id.as_bytes())),
        parent_span_is_remote: !matches!(step.kind, Kind::Client | Kind::Internal),
        span_kind: match step.kind {
            Kind::Server => SpanKind::Server,
            Kind::Client => SpanKind::Client,
            Kind::Producer => SpanKind::Producer,
            Kind::Consumer => SpanKind::Consumer,
            Kind::Internal => SpanKind::Internal,
        },
        name: step.name.into(),
        start_time: start,
        end_time: end,
        attributes: step
            .attributes
            .into_iter()
            .map(|(name, value)| KeyValue::new(name, value))
            .collect(),
        dropped_attributes_count: 0,
        events: SpanEvents::default(),
        links,
        status: step.error.map_or(Status::Unset, Status::error),
        instrumentation_scope: InstrumentationScope::builder("boutique").build(),
    }
}

fn context(of: &TraceContext) -> SpanContext {
    SpanContext::new(
        TraceId::from_bytes(*of.trace_id.as_bytes()),
        SpanId::from_bytes(*of.span_id.as_bytes()),
        if of.sampled { TraceFlags::SAMPLED } else { TraceFlags::default() },
        true,
        TraceState::default(),
    )
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    #[test]
    fn a_step_keeps_its_place_and_more_links_than_fit_are_counted() {
        let place = TraceContext::new([7; 16], [8; 8]);
        let step = Step {
            name: "process orders.v1".to_owned(),
            kind: Kind::Consumer,
            context: place,
            parent: Some(TraceContext::new([7; 16], [9; 8]).span_id),
            started: Instant::now().checked_sub(Duration::from_secs(1)).unwrap(),
            links: vec![place; LINKS + 3],
            attributes: vec![("messaging.destination.name", "orders.v1".to_owned())],
            error: Some("why".to_owned()),
        };
        let span = span(step, SystemTime::now());
        assert_eq!(span.span_context.trace_id().to_bytes(), [7; 16]);
        assert_eq!(span.span_context.span_id().to_bytes(), [8; 8]);
        assert_eq!(span.parent_span_id.to_bytes(), [9; 8]);
        assert!(span.end_time.duration_since(span.start_time).unwrap() >= Duration::from_secs(1));
        assert_eq!((span.links.len(), span.links.dropped_count), (LINKS, 3));
        assert_eq!(span.status, Status::error("why"));
    }
}
