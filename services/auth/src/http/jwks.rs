//! The public keys, for whoever is not on the topic.

use axum::extract::State;
use axum::http::HeaderName;
use axum::http::header::CACHE_CONTROL;
use serde::Serialize;
use service_kit::http::{Json, Problem};
use utoipa::ToSchema;

use super::AuthState;

/// A JSON Web Key Set (RFC 7517).
#[derive(Serialize, ToSchema)]
pub struct Jwks {
    /// Those that sign now, those that will, and those whose tokens may still be valid.
    keys: Vec<Jwk>,
}

/// An Ed25519 public key (RFC 8037).
#[derive(Serialize, ToSchema)]
struct Jwk {
    #[schema(example = "OKP")]
    kty: &'static str,
    #[schema(example = "Ed25519")]
    crv: &'static str,
    #[serde(rename = "use")]
    #[schema(example = "sig")]
    usage: &'static str,
    #[schema(example = "EdDSA")]
    alg: &'static str,
    /// As in the header of the tokens.
    kid: String,
    x: String,
}

/// The keys that access tokens are checked with.
#[utoipa::path(get, path = "/.well-known/jwks.json", responses((status = 200, body = Jwks)))]
pub async fn jwks(
    State(state): State<AuthState>,
) -> Result<([(HeaderName, String); 1], Json<Jwks>), Problem> {
    let keys = state.auth.public_keys().await?.into_iter().map(|(kid, x)| Jwk {
        kty: "OKP",
        crv: "Ed25519",
        usage: "sig",
        alg: "EdDSA",
        kid,
        x,
    });
    // Whoever asks again in time has every key before it signs.
    let seconds = state.auth.keys.lead.num_seconds() / 2;
    let cache = [(CACHE_CONTROL, format!("public, max-age={seconds}"))];
    Ok((cache, Json(Jwks { keys: keys.collect() })))
}
