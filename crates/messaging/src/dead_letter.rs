//! Records that can never be processed, and what an operator does with them.

mod desk;
mod kept;
mod open;
mod redrive;

pub use desk::{DeadLetters, Discarded};
pub use kept::{DeadLetter, Fate, Filter, State, Summary};
pub use redrive::{Redriven, Unavailable};

use chrono::{DateTime, Utc};
use contracts::{
    envelope::TRACEPARENT,
    events::EventType,
    topic::dead_letter_topic,
    trace::{TraceContext, TraceId},
};
use rdkafka::message::{BorrowedMessage, Message as _};
use uuid::Uuid;

use crate::{
    outbox::{MAX_PAYLOAD, Tx},
    record,
};

/// What is told of a record that can never be processed.
pub(crate) struct Failure {
    pub(crate) errors: Vec<String>,
    pub(crate) attempts: i32,
    pub(crate) first_failed_at: DateTime<Utc>,
    pub(crate) event_id: Option<Uuid>,
    pub(crate) event_type: Option<EventType>,
    /// Whether the event's id goes into the inbox with it, because it reached the handler.
    pub(crate) marked_inbox: bool,
}

/// The most causes that are told of an error, and the most bytes of each.
const MAX_ERRORS: usize = 16;
const MAX_ERROR: usize = 1024;

/// A dead letter must never be what cannot be stored: Postgres takes no NUL in text, brokers no header
/// without end.
fn storable(mut errors: Vec<String>) -> Vec<String> {
    errors.truncate(MAX_ERRORS);
    for text in &mut errors {
        text.truncate(text.floor_char_boundary(MAX_ERROR));
        *text = text.replace('\0', "\u{fffd}");
    }
    errors
}

/// The most bytes of original headers that a copy repeats.
const MAX_COPIED_HEADERS: usize = 64 * 1024;
/// What the lengths of a header's name and value take at the most.
const HEADER_OVERHEAD: usize = 10;
const MAX_COPIED_KEY: usize = 4 * 1024;

/// What brokers take by default, as one batch.
const MOST_OF_A_BROKER: usize = 1024 * 1024;

// What replaces NUL, or what is not UTF-8, is three times as long.
const _: () = assert!(
    MAX_PAYLOAD + MAX_COPIED_HEADERS + MAX_ERRORS * 3 * MAX_ERROR + 3 * MAX_COPIED_KEY + 1024
        <= MOST_OF_A_BROKER,
    "brokers would refuse a copy, and so stop the relay"
);

/// What stands for a header's name that is not UTF-8; its value cannot be read either.
const UNREADABLE: (&str, &[u8]) = ("\u{fffd}", b"");

/// Keeps a record whole as a dead letter, and queues its copy for the service's dead letter topic, in
/// the transaction that marks it processed. A record that is kept already is left as it is.
///
/// `topic` is the topic's name without the installation's prefix.
pub(crate) async fn keep(
    tx: &mut Tx,
    message: &BorrowedMessage<'_>,
    topic: &str,
    failure: Failure,
) -> sqlx::Result<()> {
    let errors = storable(failure.errors);
    let headers: Vec<_> =
        record::headers(message).into_iter().map(|header| header.unwrap_or(UNREADABLE)).collect();
    let (names, values): (Vec<&str>, Vec<&[u8]>) = headers.iter().copied().unzip();
    let id = Uuid::now_v7();
    let now = tx.now();
    let event_type = failure.event_type.map(EventType::name);
    let kept = sqlx::query(
        "INSERT INTO dead_letters (id, topic, partition, record_offset, key, header_names,
             header_values, payload, event_id, event_type, errors, attempts, first_failed_at,
             last_failed_at, marked_inbox)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)
         ON CONFLICT (topic, partition, record_offset) DO NOTHING",
    )
    .bind(id)
    .bind(topic)
    .bind(message.partition())
    .bind(message.offset())
    .bind(message.key())
    .bind(&names)
    .bind(&values)
    .bind(message.payload())
    .bind(failure.event_id)
    .bind(event_type)
    .bind(&errors)
    .bind(failure.attempts)
    .bind(failure.first_failed_at)
    .bind(now)
    .bind(failure.marked_inbox)
    .execute(tx.conn())
    .await?;
    if kept.rows_affected() == 0 {
        return Ok(());
    }

    let service = tx.service();
    tracing::error!(
        service, topic, partition = message.partition(), offset = message.offset(),
        key = message.key().and_then(loggable), event_id = failure.event_id.map(display),
        event_type, trace_id = trace_id(&headers).map(display),
        dead_letter_id = %id, ?errors, attempts = failure.attempts,
        "dead letter {id}: a record cannot be processed"
    );
    metrics::counter!("dead_letters_total", "topic" => topic.to_owned()).increment(1);

    // A copy the brokers refuse would stop the relay, so what is too long stays in the table.
    let key = message.key().filter(|key| key.len() <= MAX_COPIED_KEY).unwrap_or_default();
    let payload = message.payload().unwrap_or_default();
    let (payload, body) =
        if payload.len() <= MAX_PAYLOAD { (payload, "whole") } else { (&[][..], "omitted") };
    let ours = [
        ("dead-letter-id", id.to_string()),
        ("dead-letter-service", service.to_owned()),
        ("dead-letter-topic", topic.to_owned()),
        ("dead-letter-partition", message.partition().to_string()),
        ("dead-letter-offset", message.offset().to_string()),
        ("dead-letter-error", errors.join(": ")),
        ("dead-letter-attempts", failure.attempts.to_string()),
        ("dead-letter-time", now.to_rfc3339()),
        ("dead-letter-body", body.to_owned()),
    ];
    // The original headers, and after them what happened here.
    let ours = ours.map(|(name, value)| (name.to_owned(), value));
    let copied = copied(&headers).map(|(name, value)| (name.to_owned(), value.to_owned()));
    tx.publish_copy(
        &dead_letter_topic(service),
        &String::from_utf8_lossy(key).replace('\0', ""),
        event_type.unwrap_or_default(),
        payload,
        copied.chain(ours).collect(),
    );
    Ok(())
}

/// The most bytes of a key that is an id of ours.
const MAX_ID: usize = 64;

/// A key, if it is an id as ours are. That of a record that is no event may be anything, also what must be in no log.
fn loggable(key: &[u8]) -> Option<&str> {
    let is_of_ids = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    let is_id = key.len() <= MAX_ID && key.iter().copied().all(is_of_ids);
    std::str::from_utf8(key).ok().filter(|_| is_id)
}

/// The trace that a record says it belongs to.
fn trace_id(headers: &[(&str, &[u8])]) -> Option<TraceId> {
    let (_, value) = headers.iter().find(|(name, _)| *name == TRACEPARENT)?;
    let context = TraceContext::parse(std::str::from_utf8(value).ok()?).ok()?;
    Some(context.trace_id)
}

/// Those headers that are text, the first ones that are small together.
fn copied<'h>(headers: &[(&'h str, &'h [u8])]) -> impl Iterator<Item = (&'h str, &'h str)> {
    let mut bytes = 0;
    headers.iter().filter_map(move |(name, value)| {
        let value = std::str::from_utf8(value).ok().filter(|value| !value.contains('\0'))?;
        bytes += name.len() + value.len() + HEADER_OVERHEAD;
        (bytes <= MAX_COPIED_HEADERS).then_some((*name, value))
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn keys_are_logged_that_are_ids_of_ours() {
        for id in ["ord_01k2pmez20eegr3cp3tkjzc1rr", "Mug_blue.2", "2025-08-15-1"] {
            assert_eq!(loggable(id.as_bytes()), Some(id));
        }
        let long = "a".repeat(65);
        for other in ["asha@example.org", "a\nb", "\u{e4}", &long] {
            assert_eq!(loggable(other.as_bytes()), None);
        }
        assert_eq!(loggable(b"\xff"), None);
    }

    #[test]
    fn the_trace_is_that_of_the_header_if_it_can_be_read() {
        let context = TraceContext::new([1; 16], [2; 8]);
        let text = context.to_string();
        let other: (&str, &[u8]) = ("type", b"OrderCreated");
        let of = |value: &[u8]| trace_id(&[other, (TRACEPARENT, value)]);
        assert_eq!(of(text.as_bytes()), Some(context.trace_id));
        assert_eq!(of(b"00-secret"), None);
        assert_eq!(of(b"\xff"), None);
        assert_eq!(trace_id(&[other]), None);
    }

    proptest! {
        #[test]
        fn whatever_the_errors_say_they_can_be_stored(
            errors in prop::collection::vec("(\\PC|\\x00){0,1500}", 0..20),
        ) {
            let stored = storable(errors.clone());
            prop_assert_eq!(stored.len(), errors.len().min(MAX_ERRORS));
            for (stored, error) in stored.iter().zip(&errors) {
                prop_assert!(!stored.contains('\0'));
                prop_assert!(stored.len() <= 3 * MAX_ERROR);
                if error.len() <= MAX_ERROR {
                    prop_assert_eq!(stored, &error.replace('\0', "\u{fffd}"));
                }
            }
        }

        #[test]
        fn whatever_the_headers_are_what_is_copied_is_small(
            headers in prop::collection::vec(("\\PC{0,2}", prop::collection::vec(any::<u8>(), 0..3)), 0..100),
            repeats in 1usize..1000,
        ) {
            let all = headers.iter().map(|(name, value)| (name.as_str(), &value[..]));
            let all: Vec<_> = all.cycle().take(headers.len() * repeats).collect();
            let copied: Vec<_> = copied(&all).collect();
            let bytes = copied.iter().map(|(name, value)| name.len() + value.len() + 10);
            prop_assert!(bytes.sum::<usize>() <= MAX_COPIED_HEADERS);
            let whole = |(_, value): &&(&str, &[u8])| std::str::from_utf8(value).is_ok_and(|v| !v.contains('\0'));
            if all.len() < 1000 {
                prop_assert_eq!(copied.len(), all.iter().filter(whole).count());
            }
        }
    }
}
