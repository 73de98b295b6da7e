//! Bytes of strangers, as they can be shown.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// Text where it is UTF-8 that does nothing to a terminal, else base64; and whether it is text.
pub(super) fn shown(bytes: &[u8]) -> (Cow<'_, str>, bool) {
    let harmless = |text: &&str| !text.chars().any(|c| c.is_control() && !"\n\r\t".contains(c));
    match std::str::from_utf8(bytes).ok().filter(harmless) {
        Some(text) => (Cow::Borrowed(text), true),
        None => (Cow::Owned(STANDARD.encode(bytes)), false),
    }
}

/// The same on one line, which tells base64 from text.
pub(super) fn in_line(bytes: &[u8]) -> String {
    match shown(bytes) {
        (text, true) => text.split_whitespace().collect::<Vec<_>>().join(" "),
        (encoded, false) => format!("base64:{encoded}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_shown_as_it_is_and_anything_else_as_base64() {
        assert_eq!(shown("{\"name\": \"Zoë\"}\n".as_bytes()).0, "{\"name\": \"Zoë\"}\n");
        assert_eq!(shown(b"\xff\xfe"), ("//4=".into(), false));
        assert_eq!(in_line(b"a\nb"), "a b");
    }

    #[test]
    fn what_would_move_the_cursor_or_ring_the_bell_is_not_text() {
        for bytes in [&b"\x1b[2J"[..], b"\x07", b"\0", "\u{9b}2J".as_bytes()] {
            assert!(!shown(bytes).1, "{bytes:?}");
        }
    }
}
