use chrono::{DateTime, Utc};
use contracts::events::PublicKey;
use sqlx::PgConnection;

use super::parse;
use crate::signing_key::Key;

/// A key with both its halves. Not `Debug`: one half is secret.
pub struct KeyPair {
    /// When it is used.
    pub key: Key,
    /// The seed of Ed25519.
    pub private: [u8; 32],
    /// What checks its signatures.
    pub public: PublicKey,
}

/// The keys that some token may still be signed with.
pub async fn load(connection: &mut PgConnection, now: DateTime<Utc>) -> sqlx::Result<Vec<KeyPair>> {
    type Row = (String, [u8; 32], String, DateTime<Utc>, DateTime<Utc>);

    let rows: Vec<Row> = sqlx::query_as(
        "SELECT key_id, private_key, public_key, not_before, expires_at \
         FROM signing_key_pairs WHERE expires_at > $1",
    )
    .bind(now)
    .fetch_all(connection)
    .await?;
    rows.into_iter()
        .map(|(id, private, public, not_before, expires_at)| {
            let key = Key { id, not_before, expires_at };
            Ok(KeyPair { key, private, public: parse(&public)? })
        })
        .collect()
}

/// The ids and public halves of the keys whose signatures may still be good, in the order of their use.
pub async fn public_keys(connection: &mut PgConnection) -> sqlx::Result<Vec<(String, String)>> {
    sqlx::query_as(
        "SELECT key_id, public_key FROM signing_key_pairs WHERE expires_at > now() \
         ORDER BY not_before, key_id",
    )
    .fetch_all(connection)
    .await
}

/// Keeps other replicas from changing keys until the end of the transaction, and tells the time
/// after that: the transaction's own may be before the change that was waited for.
pub async fn lock(connection: &mut PgConnection) -> sqlx::Result<DateTime<Utc>> {
    sqlx::query("LOCK TABLE signing_key_pairs IN SHARE ROW EXCLUSIVE MODE")
        .execute(&mut *connection)
        .await?;
    sqlx::query_scalar("SELECT clock_timestamp()").fetch_one(connection).await
}

/// Adds a key.
pub async fn insert(connection: &mut PgConnection, pair: &KeyPair) -> sqlx::Result<()> {
    sqlx::query(
        "INSERT INTO signing_key_pairs (key_id, private_key, public_key, not_before, expires_at) \
         VALUES ($1, $2, $3, $4, $5)",
    )
    .bind(&pair.key.id)
    .bind(pair.private)
    .bind(pair.public.as_str())
    .bind(pair.key.not_before)
    .bind(pair.key.expires_at)
    .execute(connection)
    .await?;
    Ok(())
}

/// Lets all keys that end later end at `expires_at`.
pub async fn shorten(connection: &mut PgConnection, expires_at: DateTime<Utc>) -> sqlx::Result<()> {
    sqlx::query("UPDATE signing_key_pairs SET expires_at = $1 WHERE expires_at > $1")
        .bind(expires_at)
        .execute(connection)
        .await?;
    Ok(())
}
