//! W3C trace context: which chain of causes a record belongs to.

use std::{fmt, str::FromStr};

use crate::text::serde_as_text;

/// Why a text is not a trace id or a `traceparent`. Never repeats the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TraceError {
    /// Not 32 lowercase hex digits, or all zero.
    #[error("must be a trace id: 32 lowercase hex digits, not all zero")]
    TraceId,
    /// Not 16 lowercase hex digits, or all zero.
    #[error("must have a parent id of 16 lowercase hex digits, not all zero")]
    SpanId,
    /// Not `version-traceid-parentid-flags`.
    #[error("must be a W3C traceparent such as 00-<32 hex>-<16 hex>-01")]
    Format,
    /// Version `ff`, which the standard forbids.
    #[error("must not have version ff")]
    Version,
}

/// The id of a whole chain of causes; never all zero.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(
    feature = "schema",
    derive(schemars::JsonSchema),
    schemars(with = "String", extend(
        "minLength" = 32,
        "maxLength" = 32,
        // One digit at least is not zero; without look-ahead, which not every validator has.
        "pattern" = "^[0-9a-f]*[1-9a-f][0-9a-f]*$",
    ))
)]
pub struct TraceId([u8; 16]);

impl TraceId {
    /// Takes random bytes. All zero is no valid id and becomes 1.
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(u128::from_be_bytes(bytes).max(1).to_be_bytes())
    }

    /// The bytes, most significant first.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

/// The id of one step in a trace; never all zero.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SpanId([u8; 8]);

impl SpanId {
    /// Takes random bytes. All zero is no valid id and becomes 1.
    pub fn from_bytes(bytes: [u8; 8]) -> Self {
        Self(u64::from_be_bytes(bytes).max(1).to_be_bytes())
    }

    /// The bytes, most significant first.
    pub const fn as_bytes(&self) -> &[u8; 8] {
        &self.0
    }
}

/// A position in a trace, as the `traceparent` header carries it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TraceContext {
    /// The chain.
    pub trace_id: TraceId,
    /// The step in it.
    pub span_id: SpanId,
    /// Whether the caller records this trace.
    pub sampled: bool,
}

impl TraceContext {
    /// Starts a trace, from random bytes.
    pub fn new(trace_id: [u8; 16], span_id: [u8; 8]) -> Self {
        let (trace_id, span_id) = (TraceId::from_bytes(trace_id), SpanId::from_bytes(span_id));
        Self { trace_id, span_id, sampled: true }
    }

    /// The next step of the same trace; its id is made of random bytes.
    #[must_use]
    pub fn child(self, span_id: [u8; 8]) -> Self {
        Self { span_id: SpanId::from_bytes(span_id), ..self }
    }

    /// Reads a `traceparent` header. Later versions are read as far as
    /// version 00 goes, as the standard asks.
    pub fn parse(header: &str) -> Result<Self, TraceError> {
        let mut parts = header.split('-');
        let mut part = || parts.next().ok_or(TraceError::Format);
        let (version, trace_id, span_id, flags) = (part()?, part()?, part()?, part()?);
        let [version] = hex(version).ok_or(TraceError::Format)?;
        let [flags] = hex(flags).ok_or(TraceError::Format)?;
        match version {
            0xff => return Err(TraceError::Version),
            0 if parts.next().is_some() => return Err(TraceError::Format),
            _ => {}
        }
        let span_id = hex(span_id).filter(|bytes| *bytes != [0; 8]).ok_or(TraceError::SpanId)?;
        Ok(Self { trace_id: trace_id.parse()?, span_id: SpanId(span_id), sampled: flags & 1 == 1 })
    }
}

impl fmt::Display for TraceContext {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "00-{}-{}-{:02x}", self.trace_id, self.span_id, u8::from(self.sampled))
    }
}

impl FromStr for TraceId {
    type Err = TraceError;

    fn from_str(text: &str) -> Result<Self, TraceError> {
        hex(text).filter(|bytes| *bytes != [0; 16]).map(Self).ok_or(TraceError::TraceId)
    }
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

impl fmt::Debug for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{:016x}", u64::from_be_bytes(self.0))
    }
}

impl fmt::Debug for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

serde_as_text!(TraceId);

fn hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digit = |b: u8| match b {
        b'0'..=b'9' => Some(b - b'0'),
        b'a'..=b'f' => Some(b - b'a' + 10),
        _ => None,
    };
    let (pairs, []) = text.as_bytes().as_chunks::<2>() else {
        return None;
    };
    let mut bytes = [0; N];
    if pairs.len() != N {
        return None;
    }
    for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
        *byte = digit(*high)? << 4 | digit(*low)?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

    #[test]
    fn flags_and_later_versions() {
        let parse = |text: &str| TraceContext::parse(text).map(|c| (c.to_string(), c.sampled));
        let plain = format!("00-{TRACE}-00f067aa0ba902b7");
        let on = Ok((format!("{plain}-01"), true));
        let off = Ok((format!("{plain}-00"), false));
        assert_eq!(parse(&format!("{plain}-01")), on);
        assert_eq!(parse(&format!("{plain}-00")), off);
        assert_eq!(parse(&format!("{plain}-03")), on, "flags not known here are dropped");
        assert_eq!(parse(&format!("01-{TRACE}-00f067aa0ba902b7-01")), on);
        assert_eq!(parse(&format!("cc-{TRACE}-00f067aa0ba902b7-01-what-next")), on);
    }

    #[test]
    fn what_the_standard_forbids() {
        let zero = "0".repeat(32);
        for (text, error) in [
            (String::new(), TraceError::Format),
            (format!("00-{TRACE}-00f067aa0ba902b7"), TraceError::Format),
            (format!("00-{TRACE}-00f067aa0ba902b7-1"), TraceError::Format),
            (format!("00-{TRACE}-00f067aa0ba902b7-0x"), TraceError::Format),
            (format!("00-{TRACE}-00f067aa0ba902b7-01-more"), TraceError::Format),
            (format!("00-{TRACE}-00f067aa0ba902b7-01-"), TraceError::Format),
            (format!("0-{TRACE}-00f067aa0ba902b7-01"), TraceError::Format),
            (format!("ff-{TRACE}-00f067aa0ba902b7-01"), TraceError::Version),
            (format!("FF-{TRACE}-00f067aa0ba902b7-01"), TraceError::Format),
            (format!("00-{zero}-00f067aa0ba902b7-01"), TraceError::TraceId),
            (format!("00-{}-00f067aa0ba902b7-01", TRACE.to_uppercase()), TraceError::TraceId),
            (format!("00-{}-00f067aa0ba902b7-01", &TRACE[1..]), TraceError::TraceId),
            (format!("00-{TRACE}-0000000000000000-01"), TraceError::SpanId),
            (format!("00-{TRACE}-00F067AA0BA902B7-01"), TraceError::SpanId),
            (format!("00-{TRACE}-00f067aa0ba902b-01"), TraceError::SpanId),
            (format!(" 00-{TRACE}-00f067aa0ba902b7-01"), TraceError::Format),
        ] {
            assert_eq!(TraceContext::parse(&text), Err(error), "{text}");
        }
    }

    #[test]
    fn zero_bytes_make_a_valid_trace() {
        let trace = TraceContext::new([0; 16], [0; 8]);
        assert_eq!(TraceContext::parse(&trace.to_string()), Ok(trace));
    }

    proptest! {
        #[test]
        fn a_context_comes_back(trace_id: [u8; 16], span_id: [u8; 8], sampled: bool) {
            let trace = TraceContext { sampled, ..TraceContext::new(trace_id, span_id) };
            prop_assert_eq!(TraceContext::parse(&trace.to_string()), Ok(trace));
        }

        #[test]
        fn a_child_stays_in_its_trace(trace_id: [u8; 16], span_id: [u8; 8], next: [u8; 8]) {
            let parent = TraceContext::new(trace_id, span_id);
            let child = parent.child(next);
            prop_assert_eq!((child.trace_id, child.sampled), (parent.trace_id, parent.sampled));
            prop_assert_eq!(child.span_id, SpanId::from_bytes(next));
        }

        #[test]
        fn any_text_is_a_context_or_an_error(text in "[0-9a-f-]{0,60}|\\PC{0,60}") {
            let _ = TraceContext::parse(&text);
        }
    }
}
