//! Dead letters for machines. Whatever is not UTF-8 has a name that ends in `Base64`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use messaging::{DeadLetter, Summary};
use serde_json::{Map, Value, json};

/// One without its record.
pub(super) fn summary(letter: &Summary) -> Value {
    let fate = &letter.fate;
    let mut object = Map::new();
    let fields = [
        ("id", json!(letter.id)),
        ("state", json!(fate.state().name())),
        ("type", json!(letter.event_type)),
        ("eventId", json!(letter.event_id)),
        ("topic", json!(letter.topic)),
        ("partition", json!(letter.partition)),
        ("offset", json!(letter.offset)),
        ("errors", json!(letter.errors)),
        ("attempts", json!(letter.attempts)),
        ("firstFailedAt", json!(letter.first_failed_at)),
        ("lastFailedAt", json!(letter.last_failed_at)),
        ("redrivenAt", json!(fate.redriven_at)),
        ("discardedAt", json!(fate.discarded_at)),
        ("discardReason", json!(fate.discard_reason)),
        ("closedBy", json!(fate.closed_by)),
    ];
    object.extend(fields.map(|(name, value)| (name.to_owned(), value)));
    bytes(&mut object, "key", letter.key.as_deref());
    Value::Object(object)
}

/// One with its record.
pub(super) fn whole(letter: &DeadLetter) -> Value {
    let mut object = summary(&letter.summary);
    let headers = letter.header_names.iter().zip(&letter.header_values).map(|(name, value)| {
        let mut header = Map::from_iter([("name".to_owned(), json!(name))]);
        bytes(&mut header, "value", Some(value));
        Value::Object(header)
    });
    object["headers"] = headers.collect();
    if let Some(object) = object.as_object_mut() {
        bytes(object, "body", letter.payload.as_deref());
    }
    object
}

fn bytes(object: &mut Map<String, Value>, name: &str, bytes: Option<&[u8]>) {
    let (name, value) = match bytes.map(|bytes| (bytes, std::str::from_utf8(bytes))) {
        None => (name.to_owned(), Value::Null),
        Some((_, Ok(text))) => (name.to_owned(), json!(text)),
        Some((bytes, Err(_))) => (format!("{name}Base64"), json!(STANDARD.encode(bytes))),
    };
    object.insert(name, value);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_text_has_another_name() {
        let mut object = Map::new();
        bytes(&mut object, "text", Some(b"a\0b"));
        bytes(&mut object, "body", Some(b"\xff"));
        bytes(&mut object, "none", None);
        let expected = json!({"text": "a\0b", "bodyBase64": "/w==", "none": null});
        assert_eq!(Value::Object(object), expected);
    }
}
