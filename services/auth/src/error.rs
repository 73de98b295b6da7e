//! Why something cannot be done, and what clients are told of it.

use axum::http::StatusCode;
use chrono::TimeDelta;
use messaging::PublishError;
use service_kit::http::Problem;

use crate::attempts::Limited;
use crate::passwords::Busy;

/// What keeps a request from being done.
#[derive(Debug, thiserror::Error)]
pub enum AuthError {
    /// Somebody has the e-mail address.
    #[error("the e-mail address is taken")]
    EmailTaken,
    /// Nobody has this e-mail address with this password; which of them is wrong is not told.
    #[error("wrong e-mail address or password")]
    WrongCredentials,
    /// Too many attempts have failed. Told the same where nobody has the address.
    #[error("too many failed attempts")]
    TooManyAttempts(TimeDelta),
    /// Too many have signed up from an address.
    #[error("too many sign-ups from one address")]
    TooManySignUps(TimeDelta),
    /// The refresh token is none, or no longer.
    #[error("the refresh token is not valid")]
    RefreshRefused,
    /// The token's user is not there.
    #[error("the user does not exist")]
    NoSuchUser,
    /// Too many passwords are being hashed.
    #[error(transparent)]
    Busy(#[from] Busy),
    /// No key can sign now; the rotation task makes one as soon as it can.
    #[error("there is no key to sign with")]
    NoSigningKey,
    /// The database failed.
    #[error("the database failed")]
    Database(#[from] sqlx::Error),
    /// An event could not be published.
    #[error("cannot publish")]
    Publish(#[from] PublishError),
    /// What should not happen.
    #[error(transparent)]
    Internal(#[from] anyhow::Error),
}

impl From<Limited> for AuthError {
    fn from(limited: Limited) -> Self {
        Self::TooManyAttempts(limited.wait)
    }
}

impl From<AuthError> for Problem {
    fn from(error: AuthError) -> Self {
        match error {
            AuthError::EmailTaken => {
                let detail = "Somebody has signed up with this e-mail address; sign in instead.";
                Self::conflict("email-taken", detail).with_field("email")
            }
            AuthError::WrongCredentials => Self::new(
                StatusCode::UNAUTHORIZED,
                "wrong-credentials",
                "The e-mail address or the password is wrong.",
            ),
            AuthError::TooManyAttempts(wait) => Self::too_many(
                "too-many-attempts",
                "Too many sign-ins have failed; the header Retry-After tells for how many \
                 seconds to wait.",
                wait.to_std().unwrap_or_default(),
            ),
            AuthError::TooManySignUps(wait) => Self::too_many(
                "too-many-sign-ups",
                "Too many have signed up from this network address; the header Retry-After tells \
                 for how many seconds to wait.",
                wait.to_std().unwrap_or_default(),
            ),
            AuthError::RefreshRefused => Self::unauthenticated(
                "The refresh token is not valid, or no longer; sign in again.",
            ),
            AuthError::NoSuchUser => {
                Self::unauthenticated("The access token's user does not exist; sign up first.")
            }
            AuthError::Busy(Busy) | AuthError::NoSigningKey => {
                Self::unavailable("Too much is going on right now; try again in a second.")
            }
            AuthError::Database(_) | AuthError::Publish(_) => Self::internal(error),
            AuthError::Internal(cause) => Self::internal(cause),
        }
    }
}
