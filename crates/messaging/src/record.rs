use std::panic::{AssertUnwindSafe, catch_unwind};

use chrono::{DateTime, Utc};
use contracts::{
    envelope::{self, Envelope, EnvelopeError},
    events::{Event, EventType},
    topic::Topic,
    trace::{SpanId, TraceContext},
};
use rdkafka::message::{BorrowedMessage, Headers as _, Message as _};
use uuid::Uuid;

use crate::error::chain;

/// An event as it arrived.
#[derive(Debug, Clone)]
pub struct Received {
    /// What happened.
    pub event: Event,
    /// The event's own id (`ce_id`): the same at every delivery.
    pub id: Uuid,
    /// When its producer says it happened.
    pub time: DateTime<Utc>,
    /// The trace it belongs to, and in it the step that processes the event; pass it on to what it causes.
    pub trace: TraceContext,
    /// The step that published it.
    pub publisher: SpanId,
    /// Where it was read.
    pub topic: Topic,
    /// Where it was read.
    pub partition: i32,
    /// Where it was read.
    pub offset: i64,
}

/// What a record turned out to be.
pub(crate) enum Decoded {
    Event(Box<Received>),
    /// A type this consumer does not handle.
    Unwanted,
    /// A type nobody here knows: of a newer producer.
    UnknownType,
    /// Not an event at all; the errors say why, outermost first.
    Poison(Poison),
}

impl Decoded {
    fn poison(
        error: impl Into<Box<dyn std::error::Error + Send + Sync>>,
        envelope: Option<&Envelope<'_>>,
    ) -> Self {
        Self::Poison(Poison {
            errors: chain(error.into().as_ref()),
            event_id: envelope.map(|envelope| envelope.id),
            event_type: envelope.map(|envelope| envelope.event_type),
        })
    }
}

pub(crate) struct Poison {
    pub(crate) errors: Vec<String>,
    pub(crate) event_id: Option<Uuid>,
    pub(crate) event_type: Option<EventType>,
}

/// The headers of a record, name and value; `None` in place of one whose name is not UTF-8, on which
/// rdkafka panics.
pub(crate) fn headers<'a>(message: &'a BorrowedMessage<'_>) -> Vec<Option<(&'a str, &'a [u8])>> {
    let Some(headers) = message.headers() else {
        return Vec::new();
    };
    let read = |at| catch_unwind(AssertUnwindSafe(|| headers.try_get(at))).ok().flatten();
    (0..headers.count())
        .map(|at| read(at).map(|header| (header.key, header.value.unwrap_or_default())))
        .collect()
}

/// Where a record was read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    pub(crate) topic: Topic,
    pub(crate) partition: i32,
    pub(crate) offset: i64,
}

/// Reads a record of `topic`; `wants` names the types its reader handles.
pub(crate) fn decode(message: &BorrowedMessage<'_>, topic: Topic, wants: &[EventType]) -> Decoded {
    let place = Place { topic, partition: message.partition(), offset: message.offset() };
    decode_parts(headers(message), message.payload(), place, wants)
}

/// The same for a record that was kept; a header is `None` where its name is not UTF-8.
pub(crate) fn decode_parts(
    headers: Vec<Option<(&str, &[u8])>>,
    payload: Option<&[u8]>,
    Place { topic, partition, offset }: Place,
    wants: &[EventType],
) -> Decoded {
    let Some(headers) = headers.into_iter().collect::<Option<Vec<_>>>() else {
        return Decoded::poison("a header's name is not UTF-8", None);
    };
    let header = |name: &str| headers.iter().find(|(key, _)| *key == name).map(|(_, value)| *value);

    // The type is looked at first: what nobody here wants is not worth parsing.
    let named = header(envelope::TYPE).and_then(|name| std::str::from_utf8(name).ok());
    let named = named.and_then(EventType::from_name);
    if named.is_some_and(|named| named.topic() == topic && !wants.contains(&named)) {
        return Decoded::Unwanted;
    }
    let envelope = match Envelope::parse(header) {
        Ok(envelope) => envelope,
        Err(EnvelopeError::UnknownType) => return Decoded::UnknownType,
        Err(error) => return Decoded::poison(error, None),
    };
    if envelope.event_type.topic() != topic {
        let error = format!("a {} does not belong on {topic}", envelope.event_type);
        return Decoded::poison(error, Some(&envelope));
    }
    let Some(payload) = payload else {
        return Decoded::poison("the record has no body", Some(&envelope));
    };
    match Event::decode(envelope.event_type, payload) {
        Ok(event) => Decoded::Event(Box::new(Received {
            event,
            id: envelope.id,
            time: envelope.time,
            trace: spans::next(envelope.trace),
            publisher: envelope.trace.span_id,
            topic,
            partition,
            offset,
        })),
        Err(error) => Decoded::poison(error, Some(&envelope)),
    }
}

/// A new trace, for what no event caused.
pub fn new_trace() -> TraceContext {
    let trace = TraceContext::new(rand::random(), rand::random());
    TraceContext { sampled: spans::samples(trace.trace_id), ..trace }
}
