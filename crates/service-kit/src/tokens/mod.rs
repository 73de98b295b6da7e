//! Access tokens: who calls, checked here with the keys that auth has published.

mod caller;
mod check;
mod key_ring;

pub use caller::{Admin, Caller};
pub use key_ring::{KeyRing, store_signing_key};

use contracts::events::Role;
use contracts::ids::CustomerId;
use serde::{Deserialize, Serialize};

/// The `iss` of every access token.
pub const ISSUER: &str = "boutique";

/// The `aud` of every access token.
pub const AUDIENCE: &str = "boutique";

/// The cookie that holds an access token in browsers.
pub const COOKIE: &str = "access_token";

/// What an access token says. Signed with `EdDSA`; the header's `kid` names the key.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Claims {
    /// [`ISSUER`].
    pub iss: String,
    /// [`AUDIENCE`].
    pub aud: String,
    /// Whose token it is.
    pub sub: CustomerId,
    /// What they may do.
    pub role: Role,
    /// When it was made, in seconds since 1970.
    pub iat: i64,
    /// When it ends, in seconds since 1970.
    pub exp: i64,
}
