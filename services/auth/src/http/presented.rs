//! The refresh token of a request.

use axum::body::HttpBody;
use axum::extract::{FromRequest, Request};
use axum::http::HeaderMap;
use axum::http::header::COOKIE;
use serde::Deserialize;
use service_kit::http::{Json, Problem};
use utoipa::ToSchema;

use super::cookies::REFRESH;
use crate::session::RefreshToken;

/// A refresh token, for clients that do not keep cookies.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RefreshBody {
    refresh_token: String,
}

/// The refresh token that came with a request: in the body, or in the cookie of a request without a
/// body.
pub struct PresentedToken(pub Option<RefreshToken>);

impl<S: Send + Sync> FromRequest<S> for PresentedToken {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let text = if request.body().is_end_stream() {
            cookie(request.headers())
        } else {
            let Json(body) = Json::<RefreshBody>::from_request(request, state).await?;
            Some(body.refresh_token)
        };
        Ok(Self(text.map(RefreshToken::from_client)))
    }
}

fn cookie(headers: &HeaderMap) -> Option<String> {
    let cookies = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
    cookies
        .flat_map(|cookies| cookies.split(';'))
        .find_map(|cookie| cookie.trim().strip_prefix(REFRESH)?.strip_prefix('='))
        .map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;

    async fn presented(cookies: &[&str], body: &'static str) -> Option<String> {
        let mut request = Request::post("/").header("content-type", "application/json");
        for cookies in cookies {
            request = request.header("cookie", *cookies);
        }
        let request = request.body(Body::from(body)).unwrap();
        let PresentedToken(token) = PresentedToken::from_request(request, &()).await.unwrap();
        token.map(|token| token.as_str().to_owned())
    }

    #[tokio::test]
    async fn a_body_comes_before_the_cookie() {
        assert_eq!(presented(&[], "").await, None);
        assert_eq!(presented(&["refresh_token=abc"], "").await.as_deref(), Some("abc"));
        let body = r#"{"refreshToken":"def"}"#;
        assert_eq!(presented(&["refresh_token=abc"], body).await.as_deref(), Some("def"));
    }

    #[tokio::test]
    async fn finds_the_cookie_among_others() {
        let cookies = ["access_token=x; xrefresh_token=y", "a=b;refresh_token=abc; c=d"];
        assert_eq!(presented(&cookies, "").await.as_deref(), Some("abc"));
        assert_eq!(presented(&["refresh_tokens=abc"], "").await, None);
    }
}
