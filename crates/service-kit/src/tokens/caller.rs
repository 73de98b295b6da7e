//! The extractors that handlers name their callers with.

use axum::extract::FromRequestParts;
use axum::http::HeaderMap;
use axum::http::header::{AUTHORIZATION, COOKIE as COOKIE_HEADER};
use axum::http::request::Parts;
use contracts::events::Role;
use contracts::ids::CustomerId;

use super::check::TokenError;
use super::{COOKIE, KeyRing};
use crate::http::Problem;

/// Whoever calls, known by a bearer token or, for browsers, by the cookie `access_token`. Without a
/// valid token the request is answered with 401.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caller {
    /// Whose token it is.
    pub customer: CustomerId,
    /// What they may do.
    pub role: Role,
}

/// A caller with the role `admin`. Others are answered with 403.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Admin {
    /// Whose token it is.
    pub customer: CustomerId,
}

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        let keys: &KeyRing = parts
            .extensions
            .get()
            .ok_or_else(|| Problem::internal("the router has no key ring"))?;
        let token = token(&parts.headers)?;
        keys.verify(token).await.map_err(refused)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Admin {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Caller { customer, role } = Caller::from_request_parts(parts, state).await?;
        match role {
            Role::Admin => Ok(Self { customer }),
            Role::Customer => Err(Problem::forbidden("Only admins may do this.")),
        }
    }
}

/// The token of a request. A header that is there is the one that counts, also where it is wrong.
fn token(headers: &HeaderMap) -> Result<&str, Problem> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    if let Some(value) = values.next() {
        // Whatever stands before the service may have looked at the other one.
        if values.next().is_some() {
            return Err(Problem::unauthenticated("Send the header Authorization only once."));
        }
        let bearer = value.to_str().ok().and_then(|value| value.split_once(' '));
        return match bearer {
            Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => Ok(token.trim()),
            _ => Err(Problem::unauthenticated(
                "Send the header as Authorization: Bearer, a space and the access token.",
            )),
        };
    }
    let cookies = headers.get_all(COOKIE_HEADER).iter().filter_map(|value| value.to_str().ok());
    cookies
        .flat_map(|cookies| cookies.split(';'))
        .find_map(|cookie| cookie.trim().strip_prefix(COOKIE)?.strip_prefix('='))
        .ok_or_else(|| {
            Problem::unauthenticated("Sign in first, and send the access token with the request.")
        })
}

fn refused(error: TokenError) -> Problem {
    match error {
        TokenError::Invalid(_) | TokenError::UnknownKey => Problem::unauthenticated(
            "The access token is not valid, or no longer; refresh it or sign in again.",
        ),
        TokenError::Unavailable(Some(error)) => Problem::from(error),
        TokenError::Unavailable(None) => {
            Problem::unavailable("The access token cannot be checked now; try again in a second.")
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderName;

    use super::*;

    fn token_of(headers: &[(HeaderName, &'static str)]) -> Option<String> {
        let headers = headers.iter().map(|(name, value)| (name.clone(), value.parse().unwrap()));
        token(&headers.collect()).ok().map(str::to_owned)
    }

    #[test]
    fn finds_the_token_in_the_header_or_the_cookies() {
        for header in ["Bearer abc", "bearer abc", "BEARER  abc "] {
            assert_eq!(token_of(&[(AUTHORIZATION, header)]).as_deref(), Some("abc"), "{header}");
        }
        for cookies in
            ["access_token=abc", "a=b; access_token=abc;c=d", "xaccess_token=x;access_token=abc"]
        {
            assert_eq!(token_of(&[(COOKIE_HEADER, cookies)]).as_deref(), Some("abc"), "{cookies}");
        }
        assert_eq!(token_of(&[]), None);
        assert_eq!(token_of(&[(COOKIE_HEADER, "refresh_token=abc; access_tokens=abc")]), None);
    }

    #[test]
    fn two_headers_are_one_too_many() {
        assert_eq!(token_of(&[(AUTHORIZATION, "Bearer abc"), (AUTHORIZATION, "Bearer abc")]), None);
        assert_eq!(token_of(&[(AUTHORIZATION, "Bearer abc"), (AUTHORIZATION, "Basic YTpi")]), None);
    }

    #[test]
    fn a_malformed_header_is_not_replaced_by_the_cookie() {
        for header in ["", "abc", "Bearer", "Basic YTpi", "Bearer\u{e4}abc"] {
            let headers = [(AUTHORIZATION, header), (COOKIE_HEADER, "access_token=abc")];
            assert_eq!(token_of(&headers), None, "{header}");
        }
    }
}
