use std::net::IpAddr;

use chrono::{DateTime, Utc};
use contracts::events::Email;
use sha2::{Digest, Sha256};
use sqlx::PgConnection;

use crate::attempts::Attempts;

/// What attempts are counted for: hashes, so that the table names nobody. An account has a key
/// whether or not it exists.
#[derive(Clone, Copy)]
pub struct AttemptKeys {
    account: [u8; 32],
    address: [u8; 32],
}

impl AttemptKeys {
    /// The keys of a sign-in.
    pub fn new(email: &Email, address: IpAddr) -> Self {
        Self {
            account: Sha256::digest(format!("account {email}")).into(),
            address: Sha256::digest(format!("address {address}")).into(),
        }
    }
}

/// What has been tried. Until the end of the transaction nobody else can try.
pub async fn lock(
    connection: &mut PgConnection,
    keys: AttemptKeys,
    now: DateTime<Utc>,
) -> sqlx::Result<Attempts> {
    // Makes the rows that are missing, locks all of them in the order of their keys, and returns
    // them as they are now.
    let rows: Vec<([u8; 32], Vec<DateTime<Utc>>)> = sqlx::query_as(
        "INSERT INTO sign_in_attempts AS a (key, attempted_at, last_attempt_at) \
         SELECT key, '{}', $2 FROM unnest($1::bytea[]) AS key ORDER BY key \
         ON CONFLICT (key) DO UPDATE SET last_attempt_at = greatest(a.last_attempt_at, $2) \
         RETURNING key, attempted_at",
    )
    .bind([keys.account, keys.address])
    .bind(now)
    .fetch_all(connection)
    .await?;
    let mut attempts = Attempts::default();
    for (key, times) in rows {
        if key == keys.account {
            attempts.account = times;
        } else {
            attempts.address = times;
        }
    }
    Ok(attempts)
}

/// Writes back what was locked.
pub async fn write(
    connection: &mut PgConnection,
    keys: AttemptKeys,
    attempts: &Attempts,
) -> sqlx::Result<()> {
    sqlx::query(
        "UPDATE sign_in_attempts \
         SET attempted_at = CASE WHEN key = $1 THEN $3 ELSE $4 END WHERE key IN ($1, $2)",
    )
    .bind(keys.account)
    .bind(keys.address)
    .bind(&attempts.account)
    .bind(&attempts.address)
    .execute(connection)
    .await?;
    Ok(())
}
