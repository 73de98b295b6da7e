//! Where a page of notifications ended, as clients hand it back. They are not to read it, so that it
//! may become something else one day.

use std::fmt;

use chrono::{DateTime, Utc};
use uuid::Uuid;

/// The last notification of a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor {
    pub created_at: DateTime<Utc>,
    pub id: Uuid,
}

/// Hexadecimal digits of the time.
const TIME_DIGITS: usize = 16;

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        // Postgres keeps microseconds.
        write!(f, "{:016x}{:032x}", self.created_at.timestamp_micros(), self.id.as_u128())
    }
}

impl Cursor {
    /// Reads a cursor, unless it is none of ours.
    pub fn parse(text: &str) -> Option<Self> {
        let (time, id) = text.split_at_checked(TIME_DIGITS)?;
        let lower_hex = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        if id.len() != 32 || !text.bytes().all(lower_hex) {
            return None;
        }
        let micros = i64::from_str_radix(time, 16).ok()?;
        let id = u128::from_str_radix(id, 16).ok()?;
        // Postgres has no times beyond the year 294276.
        let created_at = DateTime::from_timestamp_micros(micros)?;
        Some(Self { created_at, id: Uuid::from_u128(id) })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn other_texts_are_no_cursors() {
        let cursor = Cursor { created_at: DateTime::UNIX_EPOCH, id: Uuid::max() };
        let text = cursor.to_string();
        assert_eq!(Cursor::parse(&text), Some(cursor));
        let (short, long) = (&text[1..], format!("{text}0"));
        let (signed, upper) = (format!("+{}", &text[1..]), text.to_uppercase());
        let far = format!("7fffffffffffffff{}", &text[16..]);
        for text in ["", "nonsense", "é", short, &long, &signed, &upper, &far, &"é".repeat(24)] {
            assert_eq!(Cursor::parse(text), None, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn a_cursor_comes_back(micros in 0..4_000_000_000_000_000_i64, id: u128) {
            let created_at = DateTime::from_timestamp_micros(micros).unwrap();
            let cursor = Cursor { created_at, id: Uuid::from_u128(id) };
            prop_assert_eq!(Cursor::parse(&cursor.to_string()), Some(cursor));
        }

        #[test]
        fn any_text_is_a_cursor_or_not(text in "[0-9a-f]{48}|\\PC{0,60}") {
            let _ = Cursor::parse(&text);
        }
    }
}
