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
    match nul_in_text(text) {
        None => Ok(value),
        Some(field) => Err(Problem::invalid_field(
            field.clone(),
            format!("The field {field} holds the character U+0000, which is not allowed."),
        )),
    }
}

/// The path of the field an error is about, where serde's own message tells more than the path of
/// the value that was read: a field that is missing or unknown is not part of that path.
pub(super) fn field_of(path: &Path, message: &str) -> String {
    let parent = path.to_string();
    let named = ["missing field `", "unknown field `", "duplicate field `"]
        .iter()
        .find_map(|start| message.strip_prefix(start)?.split('`').next());
    match named {
        None if parent == "." => "body".to_owned(),
        None => parent,
        Some(name) if parent == "." => name.to_owned(),
        Some(name) if parent == name || parent.ends_with(&format!(".{name}")) => parent,
        Some(name) => format!("{parent}.{name}"),
    }
}

fn invalid(path: &Path, error: &serde_json::Error) -> Problem {
    if error.classify() != Category::Data {
        return syntax(error);
    }
    let message = error.to_string();
    // The position helps nobody who is told the field.
    let reason = message.rsplit_once(" at line ").map_or(message.as_str(), |(reason, _)| reason);
    let field = field_of(path, reason);
    let detail = format!("The field {field} is not valid: {reason}.");
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
