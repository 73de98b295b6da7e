//! Routes and handlers.

mod body;
mod client;
mod cookies;
mod jwks;
mod presented;

use axum::extract::{FromRef, State};
use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, SET_COOKIE};
use axum::response::{AppendHeaders, IntoResponse, Response};
use service_kit::http::{Json, Problem, Trace};
use service_kit::tokens::Caller;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::auth::{Auth, SignedIn};
use body::{Credentials, NewCredentials, SignedInBody, UserBody};
use client::{ClientAddress, TrustedProxies};
use cookies::Cookies;
use presented::{PresentedToken, RefreshBody};

/// What handlers act on.
#[derive(Clone)]
pub struct AuthState {
    /// Users and sessions.
    pub auth: Auth,
    /// Whether cookies go over HTTPS only.
    pub cookie_secure: bool,
    /// How many proxies stand in front of the service.
    pub trusted_proxies: u8,
}

impl AuthState {
    fn cookies(&self) -> Cookies {
        Cookies {
            secure: self.cookie_secure,
            access_lifetime: self.auth.keys.token_lifetime,
            refresh_lifetime: self.auth.refresh_lifetime,
        }
    }
}

impl FromRef<AuthState> for TrustedProxies {
    fn from_ref(state: &AuthState) -> Self {
        Self(state.trusted_proxies)
    }
}

/// All routes of the service.
pub fn routes(state: AuthState) -> OpenApiRouter {
    OpenApiRouter::new()
        .routes(routes!(sign_up))
        .routes(routes!(sign_in))
        .routes(routes!(refresh))
        .routes(routes!(sign_out))
        .routes(routes!(me))
        .routes(routes!(jwks::jwks))
        .with_state(state)
}

/// Signs up a customer.
///
/// So many from one address in a quarter of an hour, and no more.
#[utoipa::path(
    post,
    path = "/api/users/signup",
    request_body = NewCredentials,
    responses(
        (status = 201, description = "Signed up and in; two cookies say so", body = SignedInBody),
        (status = 409, description = "Somebody has the e-mail address"),
        (status = 429, description = "Too many have signed up from the caller's address"),
    ),
)]
async fn sign_up(
    State(state): State<AuthState>,
    ClientAddress(address): ClientAddress,
    Trace(trace): Trace,
    Json(NewCredentials { email, password }): Json<NewCredentials>,
) -> Result<Response, Problem> {
    let signed_in = state.auth.sign_up(email, password, address, &trace).await?;
    Ok(tokens(&state, StatusCode::CREATED, signed_in))
}

/// Signs somebody in.
///
/// After ten failures in a quarter of an hour from one address, or a hundred from all, the account
/// has to wait there, or everywhere, whether or not it exists.
#[utoipa::path(
    post,
    path = "/api/users/signin",
    request_body = Credentials,
    responses(
        (status = 200, description = "Signed in; two cookies say so", body = SignedInBody),
        (status = 401, description = "The e-mail address or the password is wrong"),
        (status = 429, description = "Too many attempts have failed"),
    ),
)]
async fn sign_in(
    State(state): State<AuthState>,
    ClientAddress(address): ClientAddress,
    Json(Credentials { email, password }): Json<Credentials>,
) -> Result<Response, Problem> {
    let signed_in = state.auth.sign_in(&email, password, address).await?;
    Ok(tokens(&state, StatusCode::OK, signed_in))
}

/// Exchanges a refresh token, of the body or else of the cookie, for new tokens.
///
/// Each works once. One that is sent again, also at the same time, ends the session: there is no
/// telling who has stolen it.
#[utoipa::path(
    post,
    path = "/api/users/refresh",
    request_body(content = Option<RefreshBody>, description = "Not needed with the cookie"),
    responses(
        (status = 200, description = "Signed in for longer", body = SignedInBody),
        (status = 401, description = "No refresh token, or one that is not valid"),
    ),
)]
async fn refresh(
    State(state): State<AuthState>,
    PresentedToken(token): PresentedToken,
) -> Result<Response, Problem> {
    let token = token.ok_or_else(|| {
        Problem::unauthenticated("Send the refresh token as the field refreshToken or as a cookie.")
    })?;
    let signed_in = state.auth.refresh(&token).await?;
    Ok(tokens(&state, StatusCode::OK, signed_in))
}

/// Ends the session of a refresh token, of the body or else of the cookie.
///
/// The answer is the same when it has ended already. The access token is good until it expires.
#[utoipa::path(
    post,
    path = "/api/users/signout",
    request_body(content = Option<RefreshBody>, description = "Not needed with the cookie"),
    responses((status = 204, description = "Signed out; the cookies are gone")),
)]
async fn sign_out(
    State(state): State<AuthState>,
    PresentedToken(token): PresentedToken,
) -> Result<Response, Problem> {
    if let Some(token) = token {
        state.auth.sign_out(&token).await?;
    }
    let [access, refresh] = state.cookies().cleared();
    let cookies = AppendHeaders([(SET_COOKIE, access), (SET_COOKIE, refresh)]);
    Ok((StatusCode::NO_CONTENT, cookies).into_response())
}

/// Who is signed in.
#[utoipa::path(
    get,
    path = "/api/users/me",
    responses((status = 200, body = UserBody)),
    security(("bearer" = []), ("cookie" = [])),
)]
async fn me(State(state): State<AuthState>, caller: Caller) -> Result<Json<UserBody>, Problem> {
    Ok(Json(state.auth.user(caller.customer).await?.into()))
}

fn tokens(state: &AuthState, status: StatusCode, signed_in: SignedIn) -> Response {
    let cookies = state.cookies();
    let [access, refresh] = cookies.holding(&signed_in.access, &signed_in.refresh);
    let headers = AppendHeaders([
        (SET_COOKIE, access),
        (SET_COOKIE, refresh),
        (CACHE_CONTROL, "no-store".to_owned()),
    ]);
    let body = SignedInBody {
        access_token: signed_in.access,
        token_type: "Bearer",
        expires_in: cookies.access_lifetime.num_seconds(),
        refresh_token: signed_in.refresh.as_str().to_owned(),
        refresh_expires_in: cookies.refresh_lifetime.num_seconds(),
        user: signed_in.user.into(),
    };
    (status, headers, Json(body)).into_response()
}
