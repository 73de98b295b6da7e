use sqlx::PgConnection;

use crate::attempts;

/// What can be deleted once its time is over. In this order, so that sessions have few refresh
/// tokens left to be deleted with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expired {
    /// Refresh tokens.
    RefreshTokens,
    /// Sessions, revoked or not.
    Sessions,
    /// Attempts to sign in or up that do not count any more.
    SignInAttempts,
    /// Signing keys whose last token has expired.
    SigningKeys,
}

/// The most rows that are deleted at once.
pub const PIECE: u32 = 1000;

impl Expired {
    /// All of them, in order.
    pub const ALL: [Self; 4] =
        [Self::RefreshTokens, Self::Sessions, Self::SignInAttempts, Self::SigningKeys];

    /// Deletes some, at the most [`PIECE`], and tells how many. Rows that are in use are left for
    /// another time.
    pub async fn delete_some(self, connection: &mut PgConnection) -> sqlx::Result<u64> {
        let some = i64::from(PIECE);
        let query = match self {
            Self::RefreshTokens => sqlx::query(
                "DELETE FROM refresh_tokens WHERE token_hash IN \
                 (SELECT token_hash FROM refresh_tokens WHERE expires_at < now() \
                  ORDER BY expires_at LIMIT $1 FOR UPDATE SKIP LOCKED)",
            )
            .bind(some),
            Self::Sessions => sqlx::query(
                "DELETE FROM sessions WHERE id IN \
                 (SELECT id FROM sessions WHERE expires_at < now() \
                  ORDER BY expires_at LIMIT $1 FOR UPDATE SKIP LOCKED)",
            )
            .bind(some),
            Self::SignInAttempts => sqlx::query(
                "DELETE FROM sign_in_attempts WHERE key IN \
                 (SELECT key FROM sign_in_attempts WHERE last_attempt_at < now() - $2 \
                  ORDER BY last_attempt_at LIMIT $1 FOR UPDATE SKIP LOCKED)",
            )
            .bind(some)
            .bind(attempts::WINDOW),
            Self::SigningKeys => {
                sqlx::query("DELETE FROM signing_key_pairs WHERE expires_at < now()")
            }
        };
        Ok(query.execute(connection).await?.rows_affected())
    }
}
