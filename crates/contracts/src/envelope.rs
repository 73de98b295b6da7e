//! The headers of every record: `CloudEvents` in binary mode, the W3C trace,
//! and the three names by which plain consumers route.

use std::{borrow::Cow, fmt::Display, str::FromStr};

use chrono::{DateTime, SecondsFormat, Utc};
use uuid::Uuid;

use crate::{
    events::{Event, EventType},
    trace::{TraceContext, TraceId},
};

/// Id of the event, for deduplication.
pub const CE_ID: &str = "ce_id";
/// `boutique.<topic>.<event>`.
pub const CE_TYPE: &str = "ce_type";
/// `/boutique/<service>`.
pub const CE_SOURCE: &str = "ce_source";
/// When it happened, by the producer's database.
pub const CE_TIME: &str = "ce_time";
/// Id of the aggregate.
pub const CE_SUBJECT: &str = "ce_subject";
/// Always `1.0`.
pub const CE_SPECVERSION: &str = "ce_specversion";
/// Always `application/json`.
pub const CONTENT_TYPE: &str = "content-type";
/// The W3C trace context.
pub const TRACEPARENT: &str = "traceparent";
/// The event's name, such as `OrderCreated`.
pub const TYPE: &str = "type";
/// The trace id alone, as in the body.
pub const TRACE_ID: &str = "traceId";
/// The record's key.
pub const CORRELATION_ID: &str = "correlationId";

pub(crate) const SPECVERSION: &str = "1.0";
pub(crate) const JSON: &str = "application/json";

/// What the headers of a record say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope<'a> {
    /// `UUIDv7` of the event; the same on every delivery of it.
    pub id: Uuid,
    /// Which event the body is.
    pub event_type: EventType,
    /// `/boutique/<service>`.
    pub source: Cow<'a, str>,
    /// When it happened, by the producer's database.
    pub time: DateTime<Utc>,
    /// Id of the aggregate.
    pub subject: Cow<'a, str>,
    /// The step that published it.
    pub trace: TraceContext,
    /// The record's key.
    pub correlation_id: Cow<'a, str>,
}

/// The headers of a record by names alone, so that an event can be published whose type came after this
/// program was built: after a roll-back, an outbox may hold some.
#[derive(Debug, Clone, Copy)]
pub struct Headers<'a> {
    /// As in an [`Envelope`].
    pub id: Uuid,
    /// The topic it is published on.
    pub topic: &'a str,
    /// Its name, such as `OrderCreated`.
    pub event_type: &'a str,
    /// As in an [`Envelope`].
    pub source: &'a str,
    /// As in an [`Envelope`].
    pub time: DateTime<Utc>,
    /// As in an [`Envelope`].
    pub subject: &'a str,
    /// As in an [`Envelope`].
    pub trace: TraceContext,
    /// As in an [`Envelope`].
    pub correlation_id: &'a str,
}

impl<'a> Headers<'a> {
    /// Every header with its value.
    pub fn list(self) -> [(&'static str, Cow<'a, str>); 11] {
        [
            (CE_ID, self.id.to_string().into()),
            (CE_TYPE, named(self.topic, self.event_type).into()),
            (CE_SOURCE, self.source.into()),
            (CE_TIME, self.time.to_rfc3339_opts(SecondsFormat::AutoSi, true).into()),
            (CE_SUBJECT, self.subject.into()),
            (CE_SPECVERSION, SPECVERSION.into()),
            (CONTENT_TYPE, JSON.into()),
            (TRACEPARENT, self.trace.to_string().into()),
            (TYPE, self.event_type.into()),
            (TRACE_ID, self.trace.trace_id.to_string().into()),
            (CORRELATION_ID, self.correlation_id.into()),
        ]
    }
}

/// Why headers are no envelope. Names the header, never repeats its value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EnvelopeError {
    /// A header that every record carries is absent.
    #[error("missing header `{header}`")]
    Missing {
        /// Its name.
        header: &'static str,
    },
    /// A header that cannot be read.
    #[error("header `{header}`: {problem}")]
    Invalid {
        /// Its name.
        header: &'static str,
        /// What is wrong with it.
        problem: String,
    },
    /// A type that came after this program was built: to be skipped.
    #[error("header `{TYPE}`: unknown event type")]
    UnknownType,
}

impl<'a> Envelope<'a> {
    /// The envelope of an event that `service` publishes.
    pub fn new(
        event: &Event,
        service: &str,
        id: Uuid,
        time: DateTime<Utc>,
        trace: TraceContext,
    ) -> Self {
        let key = event.key();
        Self {
            id,
            event_type: event.event_type(),
            source: format!("/boutique/{service}").into(),
            time,
            subject: key.clone().into(),
            trace,
            correlation_id: key.into(),
        }
    }

    /// Every header with its value.
    pub fn headers(&self) -> [(&'static str, Cow<'_, str>); 11] {
        let headers = Headers {
            id: self.id,
            topic: self.event_type.topic().name(),
            event_type: self.event_type.name(),
            source: &self.source,
            time: self.time,
            subject: &self.subject,
            trace: self.trace,
            correlation_id: &self.correlation_id,
        };
        headers.list()
    }

    /// Reads the headers of a record; `lookup` gives a header's bytes by its
    /// name. The type is looked at first, so that a record of a type not known
    /// here is [`EnvelopeError::UnknownType`] whatever its other headers say.
    pub fn parse(lookup: impl Fn(&str) -> Option<&'a [u8]>) -> Result<Self, EnvelopeError> {
        let text = |header| {
            let bytes = lookup(header).ok_or(EnvelopeError::Missing { header })?;
            str::from_utf8(bytes).map_err(|_| invalid(header, "must be UTF-8"))
        };
        let event_type = EventType::from_name(text(TYPE)?).ok_or(EnvelopeError::UnknownType)?;
        let constant = |header, expected: &str| match text(header)? {
            value if value == expected => Ok(()),
            _ => Err(invalid(header, format!("must be `{expected}`"))),
        };
        constant(CE_SPECVERSION, SPECVERSION)?;
        constant(CONTENT_TYPE, JSON)?;
        if !is_ce_type(text(CE_TYPE)?, event_type) {
            return Err(invalid(CE_TYPE, format!("must be `{}`", ce_type(event_type))));
        }
        let trace = TraceContext::parse(text(TRACEPARENT)?).map_err(|e| invalid(TRACEPARENT, e))?;
        let trace_id: TraceId = parsed(TRACE_ID, text(TRACE_ID)?)?;
        if trace_id != trace.trace_id {
            return Err(invalid(TRACE_ID, "must be the trace id of `traceparent`"));
        }
        Ok(Self {
            id: text(CE_ID)?.parse().map_err(|_| invalid(CE_ID, "must be a UUID"))?,
            event_type,
            source: text(CE_SOURCE)?.into(),
            time: parsed(CE_TIME, text(CE_TIME)?)?,
            subject: text(CE_SUBJECT)?.into(),
            trace,
            correlation_id: text(CORRELATION_ID)?.into(),
        })
    }
}

pub(crate) fn ce_type(event_type: EventType) -> String {
    named(event_type.topic().name(), event_type.name())
}

fn is_ce_type(text: &str, event_type: EventType) -> bool {
    let rest = text
        .strip_prefix("boutique.")
        .and_then(|rest| rest.strip_prefix(event_type.topic().name()));
    rest.and_then(|rest| rest.strip_prefix('.')) == Some(event_type.name())
}

fn named(topic: &str, event_type: &str) -> String {
    format!("boutique.{topic}.{event_type}")
}

fn parsed<T: FromStr<Err: Display>>(header: &'static str, text: &str) -> Result<T, EnvelopeError> {
    text.parse().map_err(|error| invalid(header, error))
}

fn invalid(header: &'static str, problem: impl Display) -> EnvelopeError {
    EnvelopeError::Invalid { header, problem: problem.to_string() }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::{events::ExpirationCompleted, ids::OrderId};

    type Headers = BTreeMap<&'static str, Vec<u8>>;

    fn envelope(id: u128, micros: i64, trace: [u8; 16], span: [u8; 8]) -> Envelope<'static> {
        let trace = TraceContext::new(trace, span);
        let time = DateTime::from_timestamp_micros(micros).unwrap();
        let event = ExpirationCompleted {
            order_id: OrderId::from_uuid(Uuid::from_u128(id)),
            expired_at: time,
            trace_id: trace.trace_id,
        };
        Envelope::new(&event.into(), "expiration", Uuid::from_u128(id), time, trace)
    }

    fn sample() -> Headers {
        headers(&envelope(7, 1_755_253_800_000_000, [1; 16], [2; 8]))
    }

    fn headers(envelope: &Envelope<'_>) -> Headers {
        let bytes = |text: Cow<str>| text.into_owned().into_bytes();
        envelope.headers().into_iter().map(|(name, value)| (name, bytes(value))).collect()
    }

    fn parse(headers: &Headers) -> Result<Envelope<'_>, EnvelopeError> {
        Envelope::parse(|name| headers.get(name).map(Vec::as_slice))
    }

    #[test]
    fn the_headers_read_as_documented() {
        let texts: BTreeMap<_, _> =
            sample().into_iter().map(|(k, v)| (k, String::from_utf8(v).unwrap())).collect();
        let expected = [
            ("ce_id", "00000000-0000-0000-0000-000000000007"),
            ("ce_source", "/boutique/expiration"),
            ("ce_specversion", "1.0"),
            ("ce_subject", "ord_00000000000000000000000007"),
            ("ce_time", "2025-08-15T10:30:00Z"),
            ("ce_type", "boutique.expiration.v1.ExpirationCompleted"),
            ("content-type", "application/json"),
            ("correlationId", "ord_00000000000000000000000007"),
            ("traceId", "01010101010101010101010101010101"),
            ("traceparent", "00-01010101010101010101010101010101-0202020202020202-01"),
            ("type", "ExpirationCompleted"),
        ];
        assert_eq!(texts, expected.map(|(k, v)| (k, v.to_owned())).into());
    }

    #[test]
    fn a_missing_header_is_named() {
        for header in sample().into_keys() {
            let mut headers = sample();
            headers.remove(header);
            assert_eq!(parse(&headers), Err(EnvelopeError::Missing { header }));
        }
    }

    #[test]
    fn a_header_that_is_not_utf8_is_named() {
        for name in sample().into_keys() {
            let mut headers = sample();
            headers.insert(name, vec![b'a', 0xff]);
            let Err(EnvelopeError::Invalid { header, .. }) = parse(&headers) else {
                panic!("{name} was accepted")
            };
            assert_eq!(header, name);
        }
    }

    #[test]
    fn a_wrong_header_is_named_and_not_quoted() {
        for (name, value) in [
            (CE_ID, "secret"),
            (CE_TYPE, "boutique.orders.v1.ExpirationCompleted"),
            (CE_TIME, "secret"),
            (CE_SPECVERSION, "0.3"),
            (CONTENT_TYPE, "text/secret"),
            (TRACEPARENT, "00-secret"),
            (TRACE_ID, "secret"),
            (TRACE_ID, "0000000000000000000000000000000a"),
        ] {
            let mut headers = sample();
            headers.insert(name, value.into());
            let error = parse(&headers).unwrap_err();
            assert!(matches!(&error, EnvelopeError::Invalid { header, .. } if *header == name));
            assert!(!error.to_string().contains("secret"), "{error}");
        }
    }

    #[test]
    fn an_unknown_type_is_that_whatever_else_is_there() {
        let only_type = Headers::from([(TYPE, b"OrderPraised".to_vec())]);
        assert_eq!(parse(&only_type), Err(EnvelopeError::UnknownType));
    }

    proptest! {
        #[test]
        fn an_envelope_comes_back(
            id: u128,
            // The years of four digits, to the microsecond as Postgres keeps them.
            micros in 0..253_402_300_800_000_000_i64,
            trace: [u8; 16],
            span: [u8; 8],
        ) {
            let envelope = envelope(id, micros, trace, span);
            let headers = headers(&envelope);
            prop_assert_eq!(parse(&headers), Ok(envelope));
        }
    }
}
