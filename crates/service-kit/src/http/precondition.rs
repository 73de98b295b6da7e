//! Optimistic concurrency: entity tags that are versions in quotes, and what `If-Match` says of them.

use axum::http::header::IF_MATCH;
use axum::http::{HeaderMap, StatusCode};

use super::Problem;

/// The versions for which a change is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expected {
    /// Whatever there is.
    Any,
    /// One of these.
    Versions(Vec<u64>),
}

impl Expected {
    /// Whether a change is meant for what has this version.
    pub fn includes(&self, version: u64) -> bool {
        match self {
            Self::Any => true,
            Self::Versions(versions) => versions.contains(&version),
        }
    }
}

/// The `ETag` of a version.
pub fn etag(version: u64) -> String {
    format!("\"{version}\"")
}

/// What the request's `If-Match` asks for; without one it is answered with 428.
pub fn required_if_match(headers: &HeaderMap) -> Result<Expected, Problem> {
    if_match(headers)?.ok_or_else(|| {
        Problem::new(
            StatusCode::PRECONDITION_REQUIRED,
            "precondition-required",
            "Send the header If-Match with the ETag you were given, so that no other change is lost.",
        )
        .with_field("If-Match")
    })
}

/// What the request's `If-Match` asks for, if it has one.
pub fn if_match(headers: &HeaderMap) -> Result<Option<Expected>, Problem> {
    let mut lines = headers.get_all(IF_MATCH).iter().peekable();
    if lines.peek().is_none() {
        return Ok(None);
    }
    let mut versions = Vec::new();
    for line in lines {
        let line = line.to_str().map_err(|_| malformed())?.trim();
        if line == "*" {
            return Ok(Some(Expected::Any));
        }
        for tag in line.split(',') {
            versions.extend(version(tag.trim())?);
        }
    }
    Ok(Some(Expected::Versions(versions)))
}

/// The version of an entity tag; `None` for one that nothing of ours can have. Weak tags are of
/// that kind too, since `If-Match` compares strongly.
fn version(tag: &str) -> Result<Option<u64>, Problem> {
    let (weak, quoted) = match tag.strip_prefix("W/") {
        Some(quoted) => (true, quoted),
        None => (false, tag),
    };
    let opaque = quoted.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    let opaque = opaque.filter(|opaque| !opaque.contains('"')).ok_or_else(malformed)?;
    let version = opaque.parse().ok().filter(|version: &u64| version.to_string() == opaque);
    Ok(version.filter(|_| !weak))
}

fn malformed() -> Problem {
    Problem::invalid_parameter(
        "If-Match",
        "The header If-Match must hold an ETag as the service gave it, quotes included, or *.",
    )
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn read(lines: &[&'static str]) -> Result<Option<Expected>, u16> {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(IF_MATCH, HeaderValue::from_static(line));
        }
        if_match(&headers).map_err(|problem| problem.status().as_u16())
    }

    #[test]
    fn names_versions() {
        assert_eq!(read(&[]), Ok(None));
        assert_eq!(read(&["*"]), Ok(Some(Expected::Any)));
        assert_eq!(read(&["\"7\""]), Ok(Some(Expected::Versions(vec![7]))));
        assert_eq!(read(&["\"7\", \"8\"", "\"9\""]), Ok(Some(Expected::Versions(vec![7, 8, 9]))));
    }

    #[test]
    fn a_change_that_names_no_version_is_refused_where_one_is_needed() {
        let refused = required_if_match(&HeaderMap::new()).unwrap_err();
        assert_eq!(refused.status().as_u16(), 428);
    }

    #[test]
    fn a_tag_that_cannot_be_ours_matches_nothing() {
        for line in ["W/\"7\"", "\"\"", "\"07\"", "\"+7\"", "\"seven\"", "\"-1\""] {
            assert_eq!(read(&[line]), Ok(Some(Expected::Versions(vec![]))), "{line}");
        }
    }

    #[test]
    fn what_is_no_tag_is_refused() {
        for line in ["", "7", "\"7", "7\"", "\"", "\"7\" \"8\"", "\"7\",", "w/\"7\"", "'7'"] {
            assert_eq!(read(&[line]), Err(400), "{line}");
        }
    }
}
