use chrono::{DateTime, Utc};
use contracts::ids::CustomerId;
use sqlx::PgConnection;
use uuid::Uuid;

use super::{parse, users};
use crate::session::{Session, TokenHash};
use crate::user::User;

/// A session with whose it is.
pub struct Found {
    /// The session's id.
    pub id: Uuid,
    /// Its state.
    pub session: Session,
    /// Whose it is.
    pub user: User,
}

/// Why a session ended before its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Revocation {
    /// Its user signed out.
    SignOut,
    /// A refresh token was used twice.
    Reuse,
    /// Its user became an admin.
    Promotion,
}

impl Revocation {
    fn as_str(self) -> &'static str {
        match self {
            Self::SignOut => "SIGN_OUT",
            Self::Reuse => "REUSE",
            Self::Promotion => "PROMOTION",
        }
    }
}

/// Adds a session with its first refresh token.
pub async fn insert(
    connection: &mut PgConnection,
    id: Uuid,
    user: CustomerId,
    session: &Session,
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    sqlx::query(
        "INSERT INTO sessions (id, user_id, started_at, live_token, expires_at) \
         VALUES ($1, $2, $3, $4, $5)",
    )
    .bind(id)
    .bind(user.as_uuid())
    .bind(now)
    .bind(session.live)
    .bind(session.expires_at)
    .execute(&mut *connection)
    .await?;
    insert_token(connection, id, session).await
}

/// The session of a refresh token, live or spent. Until the end of the transaction nobody else
/// gets the session.
pub async fn lock_by_token(
    connection: &mut PgConnection,
    token: TokenHash,
) -> sqlx::Result<Option<Found>> {
    type Row = (Uuid, TokenHash, DateTime<Utc>, bool, Uuid, String, String);

    // Whoever has waited for the lock gets the session as it is now, and the other rows as they
    // were: those of `refresh_tokens` never change.
    let row: Option<Row> = sqlx::query_as(
        "SELECT s.id, s.live_token, s.expires_at, s.revoked_at IS NOT NULL, u.id, u.email, u.role \
         FROM refresh_tokens t JOIN sessions s ON s.id = t.session_id JOIN users u ON u.id = s.user_id \
         WHERE t.token_hash = $1 FOR UPDATE OF s",
    )
    .bind(token)
    .fetch_optional(connection)
    .await?;
    row.map(|(id, live, expires_at, revoked, user_id, email, role)| {
        let user = users::user(user_id, parse(&email)?, &role)?;
        Ok(Found { id, session: Session { live, expires_at, revoked }, user })
    })
    .transpose()
}

/// Puts the next refresh token in the place of the live one.
pub async fn rotate(
    connection: &mut PgConnection,
    id: Uuid,
    session: &Session,
) -> sqlx::Result<()> {
    sqlx::query("UPDATE sessions SET live_token = $2, expires_at = $3 WHERE id = $1")
        .bind(id)
        .bind(session.live)
        .bind(session.expires_at)
        .execute(&mut *connection)
        .await?;
    insert_token(connection, id, session).await
}

/// Ends a session.
pub async fn revoke(
    connection: &mut PgConnection,
    id: Uuid,
    why: Revocation,
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    sqlx::query("UPDATE sessions SET revoked_at = $2, revoked_because = $3 WHERE id = $1")
        .bind(id)
        .bind(now)
        .bind(why.as_str())
        .execute(connection)
        .await?;
    Ok(())
}

/// Ends all sessions of a user.
pub async fn revoke_all(
    connection: &mut PgConnection,
    user: CustomerId,
    why: Revocation,
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    sqlx::query(
        "UPDATE sessions SET revoked_at = $2, revoked_because = $3 \
         WHERE id IN (SELECT id FROM sessions WHERE user_id = $1 AND revoked_at IS NULL \
                      ORDER BY id FOR UPDATE)",
    )
    .bind(user.as_uuid())
    .bind(now)
    .bind(why.as_str())
    .execute(connection)
    .await?;
    Ok(())
}

async fn insert_token(
    connection: &mut PgConnection,
    id: Uuid,
    session: &Session,
) -> sqlx::Result<()> {
    sqlx::query(
        "INSERT INTO refresh_tokens (token_hash, session_id, expires_at) VALUES ($1, $2, $3)",
    )
    .bind(session.live)
    .bind(id)
    .bind(session.expires_at)
    .execute(connection)
    .await?;
    Ok(())
}
