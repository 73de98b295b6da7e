use std::borrow::Cow;

use serde::{Deserialize, Serialize, de::IgnoredAny};

use super::{Event, EventType, typed};
use crate::money::Money;

/// Why a body is not the event it claims to be. Names the field by its path in
/// the JSON (`items[0].qty`); never repeats content, which can be personal data.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Not JSON at all.
    #[error("{event}: not valid JSON at line {line}, column {column}")]
    Syntax {
        /// The event expected.
        event: EventType,
        /// Counted from 1.
        line: usize,
        /// Counted from 1; 0 before the first character of a line.
        column: usize,
    },
    /// A required field is absent.
    #[error("{event}: missing field `{field}`")]
    Missing {
        /// The event expected.
        event: EventType,
        /// Path of the field.
        field: String,
    },
    /// A field of a wrong type or value.
    #[error("{event}: field `{field}`: {problem}")]
    Invalid {
        /// The event expected.
        event: EventType,
        /// Path of the field; `.` for the whole body.
        field: String,
        /// What is wrong with it, or what was expected.
        problem: String,
    },
}

impl DecodeError {
    /// The path of the field at fault, if the body is JSON.
    pub fn field(&self) -> Option<&str> {
        match self {
            DecodeError::Syntax { .. } => None,
            DecodeError::Missing { field, .. } | DecodeError::Invalid { field, .. } => Some(field),
        }
    }
}

/// One pass into one buffer: the body's opening brace becomes the comma after
/// the type. No event is without fields: each has its trace id.
#[expect(clippy::expect_used, reason = "a struct of strings and numbers into memory cannot fail")]
pub(super) fn to_json(event_type: EventType, event: &impl Serialize) -> Vec<u8> {
    let mut json = Vec::with_capacity(512);
    json.extend_from_slice(b"{\"type\":\"");
    json.extend_from_slice(event_type.name().as_bytes());
    json.push(b'"');
    let brace = json.len();
    serde_json::to_writer(&mut json, event).expect("event to JSON");
    json[brace] = b',';
    json
}

/// Straight from the bytes into the struct; only a failure is read again, to learn what is wrong and where.
pub(super) fn body<'a, T: Deserialize<'a>>(
    event: EventType,
    json: &'a [u8],
) -> Result<T, DecodeError> {
    typed::from_slice(event.name(), json).or_else(|_| {
        check_type(event, json)?;
        parse(event, json)
    })
}

/// Checks that the body says of itself to be of that type.
fn check_type(event: EventType, json: &[u8]) -> Result<(), DecodeError> {
    #[derive(Deserialize)]
    struct Head<'a> {
        #[serde(borrow, rename = "type")]
        event_type: Cow<'a, str>,
    }

    // Serde would take an array for a struct, its elements for the fields.
    if json.trim_ascii_start().first() == Some(&b'[') {
        return Err(invalid(event, ".", "expected an object"));
    }
    let head: Head = parse(event, json)?;
    if head.event_type == event.name() {
        Ok(())
    } else {
        Err(invalid(event, "type", format!("expected `{event}`")))
    }
}

/// Reads it, and if that fails once more, to learn where.
fn parse<'a, T: Deserialize<'a>>(event: EventType, json: &'a [u8]) -> Result<T, DecodeError> {
    serde_json::from_slice(json).map_err(|error| {
        // Not by the error's category: a number too large for its field counts as syntax there.
        let is_json = serde_json::from_slice::<IgnoredAny>(json).is_ok();
        let mut again = serde_json::Deserializer::from_slice(json);
        match serde_path_to_error::deserialize::<_, T>(&mut again) {
            Err(located) if is_json => locate(event, &located),
            _ => DecodeError::Syntax { event, line: error.line(), column: error.column() },
        }
    })
}

/// Serde's messages quote the content in front of what was expected: only the
/// latter is taken. Whatever else it says comes from our own types, or names
/// our own fields.
fn locate(event: EventType, error: &serde_path_to_error::Error<serde_json::Error>) -> DecodeError {
    let text = error.inner().to_string();
    let message = text.rsplit_once(" at line ").map_or(text.as_str(), |(message, _)| message);
    let path = error.path().to_string();
    let below = |field: &str| match path.as_str() {
        "." => field.to_owned(),
        path => format!("{path}.{field}"),
    };
    let quoted = |start| message.strip_prefix(start)?.strip_suffix('`');
    if let Some(field) = quoted("missing field `") {
        DecodeError::Missing { event, field: below(field) }
    } else if let Some(field) = quoted("duplicate field `") {
        invalid(event, below(field), "expected once")
    } else {
        match message.rsplit_once(", expected ") {
            Some((_, expected)) => invalid(event, path, format!("expected {expected}")),
            None => invalid(event, path, message),
        }
    }
}

fn invalid(event: EventType, field: impl Into<String>, problem: impl Into<String>) -> DecodeError {
    DecodeError::Invalid { event, field: field.into(), problem: problem.into() }
}

impl Event {
    /// Money is never negative and has no more digits than its currency.
    pub(super) fn check_amount(&self) -> Result<(), DecodeError> {
        let event = self.event_type();
        let Some((field, amount, currency)) = self.amount() else {
            return Ok(());
        };
        let Some(currency) = currency else {
            return Err(DecodeError::Missing { event, field: "currency".to_owned() });
        };
        match Money::from_amount(amount, currency) {
            Ok(money) if money.minor >= 0 => Ok(()),
            Ok(_) => Err(invalid(event, field, "must not be negative")),
            Err(error) => Err(invalid(event, field, error.to_string())),
        }
    }
}
