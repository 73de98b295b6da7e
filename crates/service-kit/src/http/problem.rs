//! Error responses as RFC 9457 problem details.

use std::borrow::Cow;
use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use axum::http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use messaging::is_database_unavailable;
use serde::Serialize;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::Schema;
use utoipa::{PartialSchema, ToSchema};

pub(super) const CONTENT: &str = "application/problem+json";
const TYPE_PREFIX: &str = "https://boutique.dev/problems/";

/// What went wrong, in words a client may read, and, apart from them, the cause, which is logged
/// once with the request and never sent.
#[derive(Clone, Debug)]
pub struct Problem {
    status: StatusCode,
    slug: &'static str,
    detail: Cow<'static, str>,
    field: Option<String>,
    retry_after_seconds: Option<u32>,
    cause: Option<Arc<dyn Error + Send + Sync>>,
}

/// The body of every error response.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct ProblemBody {
    /// Tells the kind of problem; never changes for one kind.
    #[serde(rename = "type")]
    #[schema(format = "uri", example = "https://boutique.dev/problems/invalid-field")]
    kind: String,
    /// The kind of problem in words.
    title: String,
    /// The status code of the response.
    status: u16,
    /// What is wrong with this request, and what would be right.
    detail: String,
    /// The field or parameter that is wrong, where it is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "items[3].qty")]
    field: Option<String>,
    /// Names the request in the service's logs.
    #[serde(skip_serializing_if = "Option::is_none")]
    trace_id: Option<String>,
}

impl Problem {
    /// A problem of any kind. `slug` ends the problem's `type` and must never change for one kind;
    /// `detail` is a sentence that tells the client what to do.
    pub fn new(
        status: StatusCode,
        slug: &'static str,
        detail: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self {
            status,
            slug,
            detail: detail.into(),
            field: None,
            retry_after_seconds: None,
            cause: None,
        }
    }

    /// 422 for a field of the body that was understood and cannot be accepted. `field` is its path,
    /// such as `items[3].qty`.
    pub fn invalid_field(field: impl Into<String>, detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid-field", detail).with_field(field)
    }

    /// 400 for a parameter of the path, the query or the headers.
    pub fn invalid_parameter(
        name: impl Into<String>,
        detail: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid-parameter", detail).with_field(name)
    }

    /// 401, with the challenge that RFC 6750 asks for.
    pub fn unauthenticated(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "unauthenticated", detail)
    }

    /// 403 for a caller who is known and may not do this.
    pub fn forbidden(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "forbidden", detail)
    }

    /// 404, also for what exists and belongs to somebody else.
    pub fn not_found(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not-found", detail)
    }

    /// 409 with its own kind, such as `order-already-paid`.
    pub fn conflict(slug: &'static str, detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::CONFLICT, slug, detail)
    }

    /// 429 with its own kind, such as `too-many-orders`: the same request may succeed after a wait.
    pub fn too_many(
        slug: &'static str,
        detail: impl Into<Cow<'static, str>>,
        wait: Duration,
    ) -> Self {
        // Rounded up: who waits as long must not be turned away again.
        let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        Self::new(StatusCode::TOO_MANY_REQUESTS, slug, detail)
            .with_retry_after(u32::try_from(seconds).unwrap_or(u32::MAX))
    }

    /// 503: the same request may succeed in a second.
    pub fn unavailable(detail: impl Into<Cow<'static, str>>) -> Self {
        let mut problem = Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", detail);
        problem.retry_after_seconds = Some(1);
        problem
    }

    /// 503 where the chain of causes says that the database is away or busy, else 500. The client
    /// learns nothing of the cause.
    pub fn internal(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        let cause: Arc<dyn Error + Send + Sync> = Arc::from(cause.into());
        let mut problem = if is_database_unavailable(&*cause) {
            Self::unavailable("The service cannot do this right now; try again in a second.")
        } else {
            Self::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                "internal-error",
                "Something went wrong on our side; the trace id names this request in our logs.",
            )
        };
        problem.cause = Some(cause);
        problem
    }

    /// Names the field or parameter that is wrong.
    #[must_use]
    pub fn with_field(mut self, field: impl Into<String>) -> Self {
        self.field = Some(field.into());
        self
    }

    /// Asks the client to wait before it tries again.
    #[must_use]
    pub fn with_retry_after(mut self, seconds: u32) -> Self {
        self.retry_after_seconds = Some(seconds);
        self
    }

    /// The status code of the response.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// The field or parameter that is wrong.
    pub fn field(&self) -> Option<&str> {
        self.field.as_deref()
    }

    /// What the client is told.
    pub fn detail(&self) -> &str {
        &self.detail
    }

    /// The end of the problem's `type`.
    pub fn slug(&self) -> &'static str {
        self.slug
    }

    /// The cause with all causes behind it, for the log.
    pub(super) fn cause(&self) -> Option<String> {
        let cause: &(dyn Error + 'static) = self.cause.as_deref()?;
        let chain: Vec<String> = std::iter::successors(Some(cause), |&error| error.source())
            .map(ToString::to_string)
            .collect();
        Some(chain.join(": "))
    }

    /// The response without the problem among its extensions.
    pub(super) fn render(&self, trace_id: Option<String>) -> Response {
        let body = ProblemBody {
            kind: format!("{TYPE_PREFIX}{}", self.slug),
            title: title(self.slug),
            status: self.status.as_u16(),
            detail: self.detail.clone().into_owned(),
            field: self.field.clone(),
            trace_id,
        };
        let mut response = (self.status, axum::Json(body)).into_response();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(CONTENT));
        if let Some(seconds) = self.retry_after_seconds {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = self.render(None);
        // The boundary of the service logs it and adds the trace id.
        response.extensions_mut().insert(self);
        response
    }
}

impl From<sqlx::Error> for Problem {
    fn from(error: sqlx::Error) -> Self {
        Self::internal(error)
    }
}

impl From<anyhow::Error> for Problem {
    fn from(error: anyhow::Error) -> Self {
        Self::internal(error)
    }
}

impl PartialSchema for Problem {
    fn schema() -> RefOr<Schema> {
        ProblemBody::schema()
    }
}

impl ToSchema for Problem {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("Problem")
    }
}

// `order-already-paid` reads `Order already paid`.
fn title(slug: &str) -> String {
    let mut title = slug.replace('-', " ");
    if let Some(first) = title.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    title
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_are_rounded_up() {
        let told = |wait| Problem::too_many("too-many-orders", "Wait.", wait).retry_after_seconds;
        assert_eq!(told(Duration::from_secs(7)), Some(7));
        assert_eq!(told(Duration::from_micros(1)), Some(1));
        assert_eq!(told(Duration::from_millis(7_001)), Some(8));
    }
}
