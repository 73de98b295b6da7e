//! What is told of events on their way, in the traces they belong to.
//!
//! Names and attributes are those of OpenTelemetry's conventions for messaging.

use std::time::Instant;

use contracts::trace::{SpanId, TraceContext};
use spans::{Kind, Step};
use uuid::Uuid;

use crate::record::Received;

/// An event was made, and its transaction committed.
pub(crate) fn published(
    topic: &'static str,
    event_type: &'static str,
    key: String,
    id: Uuid,
    context: TraceContext,
    parent: SpanId,
) -> Step {
    Step {
        name: format!("create {topic}"),
        kind: Kind::Producer,
        context,
        parent: Some(parent),
        started: Instant::now(),
        links: Vec::new(),
        attributes: attributes(topic, event_type, key, id).into(),
        error: None,
    }
}

/// Tells that these records were sent to the brokers together.
pub(crate) fn sent(service: &str, started: Instant, records: usize, links: Vec<TraceContext>) {
    if !links.is_empty() {
        batch(
            format!("send {service} outbox"),
            Kind::Producer,
            spans::apart(),
            started,
            records,
            links,
        );
    }
}

/// Tells that these events were processed together, each for its own trace, and which of them are dead letters.
pub(crate) fn processed<'e>(
    service: &str,
    started: Instant,
    events: impl ExactSizeIterator<Item = (&'e Received, bool)>,
) {
    let messages = events.len();
    let recorded: Vec<_> = events.filter(|(event, _)| spans::records(&event.trace)).collect();
    if recorded.is_empty() {
        return;
    }
    let links: Vec<_> = recorded.iter().map(|(event, _)| event.trace).collect();
    let together = spans::apart();
    for (event, is_letter) in recorded {
        let (topic, kind) = (event.topic.name(), event.event.event_type().name());
        spans::tell(Step {
            name: format!("process {topic}"),
            kind: Kind::Consumer,
            context: event.trace,
            parent: Some(event.publisher),
            started,
            links: vec![together],
            attributes: attributes(topic, kind, event.event.key(), event.id).into(),
            error: is_letter.then(|| "it is a dead letter".to_owned()),
        });
    }
    batch(format!("process {service} batch"), Kind::Consumer, together, started, messages, links);
}

fn batch(
    name: String,
    kind: Kind,
    context: TraceContext,
    started: Instant,
    messages: usize,
    links: Vec<TraceContext>,
) {
    let count = messages.to_string();
    let attributes =
        vec![("messaging.system", "kafka".to_owned()), ("messaging.batch.message_count", count)];
    spans::tell(Step {
        name,
        kind,
        context,
        parent: None,
        started,
        links,
        attributes,
        error: None,
    });
}

fn attributes(
    topic: &'static str,
    event_type: &'static str,
    key: String,
    id: Uuid,
) -> [(&'static str, String); 5] {
    [
        ("messaging.system", "kafka".to_owned()),
        ("messaging.destination.name", topic.to_owned()),
        ("messaging.message.id", id.to_string()),
        ("messaging.kafka.message.key", key),
        ("cloudevents.event_type", event_type.to_owned()),
    ]
}
