//! Reading a JSON body so that whatever is wrong with it can be named.

use axum::http::StatusCode;
use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_json::error::Category;
use serde_path_to_error::Path;

use super::problem::Problem;

/// Reads a body. 400 for what is not JSON, 422 for JSON that is not a `T`.
pub(super) fn decode<T: DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    let text = std::str::from_utf8(body).map_err(|error| {
        malformed(format!("The body is not UTF-8 from byte {} on.", error.valid_up_to()))
    })?;
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let value = serde_path_to_error::deserialize(&mut deserializer)
        .map_err(|error| invalid(error.path(), error.inner()))?;
    deserializer.end().map_err(|error| syntax(&error))?;
    let Some(field) = nul_in_text(text) else {
        return Ok(value);
    };
    let field = shortened(field);
    let detail = format!("The field {field} holds the character U+0000, which is not allowed.");
    Err(Problem::invalid_field(field, detail))
}

/// The path of the field an error is about. The path of the value that was read does not have a
/// field that is missing or there twice; serde's message has.
pub(super) fn field_of(path: &Path, message: &str) -> String {
    let parent = path.to_string();
    let named = ["missing field `", "duplicate field `"]
        .iter()
        .find_map(|start| message.strip_prefix(start)?.split('`').next());
    match named {
        Some(name) if path.iter().len() == 0 => name.to_owned(),
        Some(name) => format!("{parent}.{name}"),
        None if path.iter().len() == 0 => "body".to_owned(),
        // One whose name is empty: a problem that names it has to show something.
        None if parent.is_empty() => "\"\"".to_owned(),
        None => shortened(parent),
    }
}

/// What is wrong with a field, as serde says it.
pub(super) fn reason_of(message: &str) -> String {
    // The position helps nobody who is told the field.
    let reason = message.rsplit_once(" at line ").map_or(message, |(reason, _)| reason);
    if let Some(reason) = unread_number(reason) {
        return reason.to_owned();
    }
    match reason.rsplit_once(", expected ") {
        Some((found, expected)) => {
            format!(
                "{}, expected {}",
                shortened(without_value(found).to_owned()),
                in_words(expected)
            )
        }
        None => shortened(reason.to_owned()),
    }
}

/// What kind of value was found: the value itself may be a password that stands in the wrong place.
fn without_value(found: &str) -> &str {
    let is_of_value = found.starts_with("invalid type: ") || found.starts_with("invalid value: ");
    match found.find(['`', '"']) {
        Some(value) if is_of_value => found[..value].trim_end(),
        _ => found,
    }
}

/// What Rust says of a text in a query that is not the number it should be. All of ours are
/// unsigned.
fn unread_number(reason: &str) -> Option<&'static str> {
    match reason {
        "invalid digit found in string" | "cannot parse integer from empty string" => {
            Some("expected a whole number that is not negative")
        }
        "number too large to fit in target type" => Some("the number is too large"),
        _ => None,
    }
}

/// Names of Rust types mean nothing to a client.
pub(super) fn in_words(expected: &str) -> String {
    match expected {
        "u8" => format!("a whole number from 0 to {}", u8::MAX),
        "u16" => format!("a whole number from 0 to {}", u16::MAX),
        "u32" => format!("a whole number from 0 to {}", u32::MAX),
        "u64" => "a whole number that is not negative".to_owned(),
        "i32" | "i64" => "a whole number".to_owned(),
        _ if expected.starts_with("struct ") => "an object".to_owned(),
        _ => expected.to_owned(),
    }
}

/// What the client has sent is repeated to it up to here.
fn shortened(text: String) -> String {
    match text.char_indices().nth(200) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

fn invalid(path: &Path, error: &serde_json::Error) -> Problem {
    let message = error.to_string();
    // To serde it is a mistake of syntax, and to a client one of the field it has sent.
    let out_of_range = message.starts_with("number out of range") && path.iter().len() > 0;
    if error.classify() != Category::Data && !out_of_range {
        return syntax(error);
    }
    let field = field_of(path, &message);
    let detail = format!("The field {field} is not valid: {}.", reason_of(&message));
    Problem::invalid_field(field, detail)
}

fn syntax(error: &serde_json::Error) -> Problem {
    malformed(format!("The body is not valid JSON: {error}."))
}

fn malformed(detail: String) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, "malformed-json", detail)
}

/// The path of a text with the character U+0000, which JSON can only hold as an escape.
fn nul_in_text(text: &str) -> Option<String> {
    if !text.contains("\\u0000") {
        return None;
    }
    nul_in_value(&serde_json::from_str(text).ok()?, String::new())
        .map(|path| if path.is_empty() { "body".to_owned() } else { path })
}

fn nul_in_value(value: &Value, path: String) -> Option<String> {
    match value {
        Value::String(text) => text.contains('\0').then_some(path),
        Value::Array(items) => items
            .iter()
            .enumerate()
            .find_map(|(index, item)| nul_in_value(item, format!("{path}[{index}]"))),
        Value::Object(fields) => fields.iter().find_map(|(name, field)| {
            let separator = if path.is_empty() { "" } else { "." };
            let field_path = format!("{path}{separator}{}", name.replace('\0', "\u{fffd}"));
            if name.contains('\0') {
                return Some(field_path);
            }
            nul_in_value(field, field_path)
        }),
        Value::Null | Value::Bool(_) | Value::Number(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Order {
        items: Vec<Item>,
        note: Option<String>,
    }

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Item {
        sku: String,
        qty: u32,
    }

    fn refused(body: impl AsRef<[u8]>) -> (u16, &'static str, Option<String>, String) {
        let problem = decode::<Order>(body.as_ref()).unwrap_err();
        let (field, detail) = (problem.field().map(str::to_owned), problem.detail().to_owned());
        (problem.status().as_u16(), problem.slug(), field, detail)
    }

    #[track_caller]
    fn refuses_field(body: &str, expected: &str) {
        let (status, slug, field, detail) = refused(body);
        assert_eq!((status, slug, field.as_deref()), (422, "invalid-field", Some(expected)));
        assert!(detail.contains(expected), "{detail}");
    }

    #[test]
    fn reads_what_is_right() {
        let order =
            decode::<Order>(br#"{"items":[{"sku":"A","qty":2}],"note":"\\u0000 is \u00e4"}"#);
        let items = vec![Item { sku: "A".to_owned(), qty: 2 }];
        assert_eq!(order.unwrap(), Order { items, note: Some("\\u0000 is \u{e4}".to_owned()) });
    }

    #[test]
    fn names_a_field_of_the_wrong_type() {
        refuses_field(r#"{"items":[{"sku":"A","qty":2},{"sku":"B","qty":"2"}]}"#, "items[1].qty");
        refuses_field(r#"{"items":[{"sku":"A","qty":-1}]}"#, "items[0].qty");
        refuses_field(r#"{"items":[{"sku":"A","qty":1.5}]}"#, "items[0].qty");
        refuses_field(r#"{"items":[{"sku":"A","qty":99999999999}]}"#, "items[0].qty");
        refuses_field(r#"{"items":{}}"#, "items");
        refuses_field(r#"{"items":[null]}"#, "items[0]");
        refuses_field("[]", "body");
        refuses_field("7", "body");
    }

    #[test]
    fn says_in_words_what_it_expected() {
        let (.., detail) = refused(r#"{"items":[{"sku":"A","qty":"2"}]}"#);
        let expected = "The field items[0].qty is not valid: invalid type: string, \
                        expected a whole number from 0 to 4294967295.";
        assert_eq!(detail, expected);
        let (.., detail) = refused(r#"{"items":[3]}"#);
        assert!(detail.ends_with("invalid type: integer, expected an object."), "{detail}");
    }

    #[test]
    fn names_a_field_with_a_number_beyond_all_bounds() {
        refuses_field(r#"{"items":[{"sku":"A","qty":1e999}]}"#, "items[0].qty");
        let (.., detail) = refused(r#"{"items":[{"sku":"A","qty":-1e999}]}"#);
        assert_eq!(detail, "The field items[0].qty is not valid: number out of range.");
    }

    #[test]
    fn names_a_field_that_is_missing_unknown_or_there_twice() {
        refuses_field("{}", "items");
        refuses_field(r#"{"items":[{"sku":"A"}]}"#, "items[0].qty");
        refuses_field(r#"{"items":[],"total":1}"#, "total");
        refuses_field(r#"{"items":[],"":1}"#, "\"\"");
        refuses_field(r#"{"items":[{"sku":"A","qty":1,"price":0.01}]}"#, "items[0].price");
        refuses_field(r#"{"items":[{"sku":"A","qty":1,"qty":2}]}"#, "items[0].qty");
    }

    #[test]
    fn names_a_text_that_postgres_cannot_store() {
        refuses_field(r#"{"items":[{"sku":"A\u0000","qty":1}]}"#, "items[0].sku");
        refuses_field(r#"{"items":[],"note":"\\\u0000"}"#, "note");
    }

    #[test]
    fn tells_where_json_is_broken() {
        for body in ["", "{", r#"{"items":[}"#, r#"{"items":[]} x"#, r#"{"items":[],"note":"#] {
            let (status, slug, field, detail) = refused(body);
            assert_eq!((status, slug, field), (400, "malformed-json", None), "{body}");
            assert!(detail.contains("line 1 column"), "{detail}");
        }
        let deep = format!(r#"{{"items":{}"#, "[".repeat(10_000));
        assert_eq!(refused(deep).0, 422, "the first bracket in an item is one too many");
    }

    #[test]
    fn tells_where_utf_8_is_broken() {
        let (status, slug, _, detail) = refused(b"{\"items\":[],\"other\":\"\xff\"}");
        assert_eq!((status, slug), (400, "malformed-json"));
        assert!(detail.contains("byte 21"), "{detail}");
    }

    #[test]
    fn repeats_little_of_what_was_sent() {
        let (_, _, field, detail) = refused(format!(r#"{{"{}":1}}"#, "ä".repeat(30_000)));
        assert!(field.unwrap().len() < 500);
        assert!(detail.len() < 1000, "{}", detail.len());
    }
}
