//! Extractors whose rejections are problems that name what is wrong.

use std::error::Error;

use axum::body::Bytes;
use axum::extract::path::ErrorKind;
use axum::extract::rejection::{BytesRejection, FailedToBufferBody, PathRejection, QueryRejection};
use axum::extract::{FromRequest, FromRequestParts, RawPathParams, Request};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::problem::Problem;
use super::{body, json, media_type};

/// A JSON body, of a request or of a response.
///
/// A request's is rejected with 415 (not declared as JSON in UTF-8, or packed), 413 (too large),
/// 400 (not JSON, not UTF-8) or 422 (a field is wrong, missing or, with `deny_unknown_fields`,
/// unknown; `field` names it). Text in it never holds the character U+0000, which Postgres cannot
/// store.
#[derive(Clone, Copy, Debug)]
pub struct Json<T>(pub T);

/// The parameters of the path, rejected with 400.
#[derive(Clone, Copy, Debug)]
pub struct Path<T>(pub T);

/// The parameters of the query, rejected with 400.
#[derive(Clone, Copy, Debug)]
pub struct Query<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Json<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        media_type::require_json(request.headers())?;
        let body = Bytes::from_request(request, state)
            .await
            .map_err(|rejection| unreadable_body(&rejection))?;
        json::decode(&body).map(Json)
    }
}

impl<T: DeserializeOwned> Json<T> {
    /// Reads a body that was taken as bytes, because they are signed; rejected with 400 or 422.
    pub fn read(body: &[u8]) -> Result<T, Problem> {
        json::decode(body)
    }
}

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        axum::Json(self.0).into_response()
    }
}

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Path<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let value = axum::extract::Path::from_request_parts(parts, state).await;
        let raw = RawPathParams::from_request_parts(parts, state).await;
        let named: Vec<(&str, &str)> = raw.iter().flatten().collect();
        if let Some((name, _)) = named.iter().find(|(_, value)| value.contains('\0')) {
            return Err(nul_in_parameter(name));
        }
        match value {
            Ok(axum::extract::Path(value)) => Ok(Path(value)),
            Err(rejection) => Err(invalid_path(rejection, &named)),
        }
    }
}

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        if parts.uri.query().is_some_and(|query| query.contains("%00")) {
            return Err(nul_in_parameter(nul_parameter(parts).unwrap_or("query")));
        }
        match axum::extract::Query::from_request_parts(parts, state).await {
            Ok(axum::extract::Query(value)) => Ok(Query(value)),
            Err(rejection) => Err(invalid_query(&rejection)),
        }
    }
}

fn unreadable_body(rejection: &BytesRejection) -> Problem {
    match rejection {
        BytesRejection::FailedToBufferBody(FailedToBufferBody::LengthLimitError(_)) => {
            body::too_large()
        }
        _ => Problem::new(
            StatusCode::BAD_REQUEST,
            "unreadable-body",
            "The body ended before all of it had arrived; send the request again.",
        ),
    }
}

fn nul_in_parameter(name: &str) -> Problem {
    Problem::invalid_parameter(
        name,
        format!("The parameter {name} holds the character U+0000, which is not allowed."),
    )
}

fn nul_parameter(parts: &Parts) -> Option<&str> {
    let pair = parts.uri.query()?.split('&').find(|pair| pair.contains("%00"))?;
    pair.split('=').next().filter(|name| !name.contains('%'))
}

fn invalid_path(rejection: PathRejection, named: &[(&str, &str)]) -> Problem {
    let PathRejection::FailedToDeserializePathParams(failure) = rejection else {
        return Problem::internal(rejection);
    };
    let only_name = || match named {
        [(name, _)] => (*name).to_owned(),
        _ => "path".to_owned(),
    };
    let (name, reason) = match failure.into_kind() {
        ErrorKind::ParseErrorAtKey { key, expected_type, .. } => {
            (key, format!("expected {}", json::in_words(expected_type)))
        }
        ErrorKind::ParseErrorAtIndex { index, expected_type, .. } => {
            let name = named.get(index).map_or("path", |(name, _)| name);
            (name.to_owned(), format!("expected {}", json::in_words(expected_type)))
        }
        ErrorKind::ParseError { expected_type, .. } => {
            (only_name(), format!("expected {}", json::in_words(expected_type)))
        }
        ErrorKind::InvalidUtf8InPathParam { key } => (key, "it is not UTF-8".to_owned()),
        ErrorKind::DeserializeError { key, message, .. } => (key, message),
        ErrorKind::Message(message) => (only_name(), message),
        // A handler that asks for more parameters than its route has, or for an impossible type.
        mistake => return Problem::internal(mistake.to_string()),
    };
    invalid(&name, &reason)
}

fn invalid_query(rejection: &QueryRejection) -> Problem {
    type Failure = serde_path_to_error::Error<serde::de::value::Error>;

    let failure = std::iter::successors(rejection.source(), |&error| error.source())
        .find_map(|error| error.downcast_ref::<Failure>());
    let Some(failure) = failure else {
        return invalid("query", "it cannot be read");
    };
    let message = failure.inner().to_string();
    invalid(&json::field_of(failure.path(), &message), &json::reason_of(&message))
}

fn invalid(name: &str, reason: &str) -> Problem {
    Problem::invalid_parameter(name, format!("The parameter {name} is not valid: {reason}."))
}
