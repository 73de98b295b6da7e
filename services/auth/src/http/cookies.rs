//! The cookies that browsers keep tokens in.

use chrono::TimeDelta;
use service_kit::tokens::COOKIE as ACCESS;

use crate::session::RefreshToken;

/// The cookie with the refresh token.
pub const REFRESH: &str = "refresh_token";

/// Nobody but this service needs the refresh token.
const REFRESH_PATH: &str = "/api/users";

/// How cookies are set. Scripts cannot read them and other sites cannot send them.
pub struct Cookies {
    /// Over HTTPS only.
    pub secure: bool,
    /// Of the access token.
    pub access_lifetime: TimeDelta,
    /// Of the refresh token.
    pub refresh_lifetime: TimeDelta,
}

impl Cookies {
    /// Values of `Set-Cookie` that hand over both tokens.
    pub fn holding(&self, access: &str, refresh: &RefreshToken) -> [String; 2] {
        [
            self.cookie(ACCESS, access, "/", self.access_lifetime),
            self.cookie(REFRESH, refresh.as_str(), REFRESH_PATH, self.refresh_lifetime),
        ]
    }

    /// Values of `Set-Cookie` that take both back.
    pub fn cleared(&self) -> [String; 2] {
        [
            self.cookie(ACCESS, "", "/", TimeDelta::zero()),
            self.cookie(REFRESH, "", REFRESH_PATH, TimeDelta::zero()),
        ]
    }

    fn cookie(&self, name: &str, value: &str, path: &str, lifetime: TimeDelta) -> String {
        let secure = if self.secure { "; Secure" } else { "" };
        let seconds = lifetime.num_seconds();
        format!("{name}={value}; Path={path}; Max-Age={seconds}; HttpOnly; SameSite=Strict{secure}")
    }
}
