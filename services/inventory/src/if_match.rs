//! Entity tags: the stock's version in quotes.

use axum::http::header::IF_MATCH;
use axum::http::{HeaderMap, StatusCode};
use service_kit::http::Problem;

use crate::stock::{Expected, Stock};

/// The stock's `ETag`.
pub fn etag(stock: Stock) -> String {
    format!("\"{}\"", stock.version)
}

/// What the request's `If-Match` expects; it must have one.
pub fn expected(headers: &HeaderMap) -> Result<Expected, Problem> {
    let mut lines = headers.get_all(IF_MATCH).iter().peekable();
    if lines.peek().is_none() {
        return Err(missing());
    }
    let mut versions = Vec::new();
    for line in lines {
        let line = line.to_str().map_err(|_| malformed())?.trim();
        if line == "*" {
            return Ok(Expected::Any);
        }
        for tag in line.split(',') {
            versions.extend(version(tag.trim())?);
        }
    }
    Ok(Expected::OneOf(versions))
}

/// The version of an entity tag; `None` for a tag that no stock can have, as every weak one, since
/// `If-Match` compares strongly.
fn version(tag: &str) -> Result<Option<u64>, Problem> {
    let strong = tag.strip_prefix("W/").unwrap_or(tag);
    let opaque = strong.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    let opaque = opaque.filter(|opaque| !opaque.contains('"')).ok_or_else(malformed)?;
    let version = opaque.parse().ok();
    Ok(version.filter(|version: &u64| tag == format!("\"{version}\"")))
}

fn missing() -> Problem {
    let detail = "Send the header If-Match with the stock's ETag, so that no other change is lost.";
    Problem::new(StatusCode::PRECONDITION_REQUIRED, "precondition-required", detail)
        .with_field("If-Match")
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

    fn read(lines: &[&'static str]) -> Result<Expected, u16> {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(IF_MATCH, HeaderValue::from_static(line));
        }
        expected(&headers).map_err(|problem| problem.status().as_u16())
    }

    #[test]
    fn names_versions() {
        assert_eq!(read(&[]), Err(428));
        assert_eq!(read(&["*"]), Ok(Expected::Any));
        assert_eq!(read(&["\"7\""]), Ok(Expected::OneOf(vec![7])));
        assert_eq!(read(&["\"7\" , \"8\"", "\"9\""]), Ok(Expected::OneOf(vec![7, 8, 9])));
    }

    #[test]
    fn a_tag_that_no_stock_can_have_matches_nothing() {
        let huge = "\"99999999999999999999\"";
        for line in ["W/\"7\"", "\"\"", "\"07\"", "\"+7\"", "\"seven\"", "\"-1\"", huge] {
            assert_eq!(read(&[line]), Ok(Expected::OneOf(vec![])), "{line}");
        }
    }

    #[test]
    fn what_is_no_tag_is_refused() {
        for line in ["", "7", "\"7", "7\"", "\"", "\"7\" \"8\"", "\"7\",", "w/\"7\"", "*, \"7\""] {
            assert_eq!(read(&[line]), Err(400), "{line}");
        }
    }
}
