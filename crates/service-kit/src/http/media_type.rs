//! What a body must be declared as before it is read.

use axum::http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use axum::http::{HeaderMap, StatusCode};

use super::problem::Problem;

/// 415 for a body that is not declared as JSON in UTF-8, or is packed.
pub(super) fn require_json(headers: &HeaderMap) -> Result<(), Problem> {
    let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let content_type = content_type.unwrap_or_default().to_ascii_lowercase();
    let (media_type, parameters) = content_type.split_once(';').unwrap_or((&content_type, ""));
    if !is_json(media_type.trim()) {
        return Err(unsupported(
            "Send the body as JSON, with the header Content-Type: application/json.",
        ));
    }
    if !parameters.split(';').all(is_utf_8) {
        return Err(unsupported("Send the body in UTF-8; no other charset is taken."));
    }
    let encodings = headers.get_all(CONTENT_ENCODING);
    if !encodings.iter().all(|encoding| encoding.as_bytes().eq_ignore_ascii_case(b"identity")) {
        return Err(unsupported("Send the body as it is, without a Content-Encoding."));
    }
    Ok(())
}

fn is_json(media_type: &str) -> bool {
    media_type == "application/json"
        || (media_type.starts_with("application/") && media_type.ends_with("+json"))
}

/// Of a parameter of the content type; those that are no charset say nothing of it.
fn is_utf_8(parameter: &str) -> bool {
    match parameter.split_once('=') {
        Some((name, value)) if name.trim() == "charset" => {
            matches!(value.trim().trim_matches('"'), "utf-8" | "utf8")
        }
        _ => true,
    }
}

fn unsupported(detail: &'static str) -> Problem {
    Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported-media-type", detail)
}
