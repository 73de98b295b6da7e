use chrono::{DateTime, Utc};
use contracts::events::{Email, Role};
use contracts::ids::CustomerId;
use sqlx::PgConnection;
use uuid::Uuid;

use super::parse;
use crate::user::User;

/// Adds a user; `false` when somebody has the e-mail address.
pub async fn insert(
    connection: &mut PgConnection,
    user: &User,
    password_hash: &str,
    now: DateTime<Utc>,
) -> sqlx::Result<bool> {
    let inserted = sqlx::query(
        "INSERT INTO users (id, email, password_hash, role, registered_at) \
         VALUES ($1, $2, $3, $4, $5) ON CONFLICT (email) DO NOTHING",
    )
    .bind(user.id.as_uuid())
    .bind(user.email.as_str())
    .bind(password_hash)
    .bind(user.role.as_str())
    .bind(now)
    .execute(connection)
    .await?;
    Ok(inserted.rows_affected() == 1)
}

/// Who has an e-mail address, and the hash of their password.
pub async fn find_by_email(
    connection: &mut PgConnection,
    email: &Email,
) -> sqlx::Result<Option<(User, String)>> {
    let row: Option<(Uuid, String, String)> =
        sqlx::query_as("SELECT id, role, password_hash FROM users WHERE email = $1")
            .bind(email.as_str())
            .fetch_optional(connection)
            .await?;
    row.map(|(id, role, hash)| Ok((user(id, email.clone(), &role)?, hash))).transpose()
}

/// One user.
pub async fn find(connection: &mut PgConnection, id: CustomerId) -> sqlx::Result<Option<User>> {
    let row: Option<(String, String)> =
        sqlx::query_as("SELECT email, role FROM users WHERE id = $1")
            .bind(id.as_uuid())
            .fetch_optional(connection)
            .await?;
    row.map(|(email, role)| user(id.as_uuid(), parse(&email)?, &role)).transpose()
}

/// The role of a user whose password is still the one that was checked. Until the end of the
/// transaction neither changes.
pub async fn confirm(
    connection: &mut PgConnection,
    id: CustomerId,
    password_hash: &str,
) -> sqlx::Result<Option<Role>> {
    let role: Option<String> =
        sqlx::query_scalar("SELECT role FROM users WHERE id = $1 AND password_hash = $2 FOR SHARE")
            .bind(id.as_uuid())
            .bind(password_hash)
            .fetch_optional(connection)
            .await?;
    role.as_deref().map(parse).transpose()
}

/// Makes a customer an admin with another password; `None` when nobody has the address or they
/// are an admin already.
pub async fn promote(
    connection: &mut PgConnection,
    email: &Email,
    password_hash: &str,
) -> sqlx::Result<Option<CustomerId>> {
    let id: Option<Uuid> = sqlx::query_scalar(
        "UPDATE users SET role = 'admin', password_hash = $2 \
         WHERE email = $1 AND role <> 'admin' RETURNING id",
    )
    .bind(email.as_str())
    .bind(password_hash)
    .fetch_optional(connection)
    .await?;
    Ok(id.map(CustomerId::from_uuid))
}

pub(super) fn user(id: Uuid, email: Email, role: &str) -> sqlx::Result<User> {
    Ok(User { id: CustomerId::from_uuid(id), email, role: parse(role)? })
}
