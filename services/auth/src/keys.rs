//! Signing keys: made, published, changed in time, and used.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use contracts::events::{PublicKey, SigningAlgorithm, SigningKeyPublished};
use ed25519_dalek::SigningKey;
use ed25519_dalek::pkcs8::EncodePrivateKey;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use messaging::{Outbox, Tx};
use service_kit::tokens::{self, AUDIENCE, Claims, ISSUER};
use sqlx::PgConnection;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::error::AuthError;
use crate::signing_key::{Key, KeyPolicy, Rotation};
use crate::store::signing_keys::{self, KeyPair};
use crate::user::User;

/// How often it is asked whether a new key is due.
const CHECK_INTERVAL: Duration = Duration::from_secs(10);

/// When a new key is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// If its time has come.
    Due,
    /// In any case.
    Now,
}

/// Makes new keys in time until `shutdown`. A failure is waited out: there is a day for it.
pub async fn keep_rotated(
    outbox: Outbox,
    policy: KeyPolicy,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    let mut interval = tokio::time::interval(CHECK_INTERVAL);
    while shutdown.run_until_cancelled(interval.tick()).await.is_some() {
        let rotated = shutdown.run_until_cancelled(rotate(&outbox, policy, When::Due)).await;
        if let Some(Err(error)) = rotated {
            tracing::warn!(
                error = format!("{error:#}"),
                "cannot rotate the signing keys; trying again"
            );
        }
    }
    Ok(())
}

/// Makes a new key, and publishes it together with the earlier end of those before it. Of several
/// replicas that find one due, the first makes it.
pub async fn rotate(outbox: &Outbox, policy: KeyPolicy, when: When) -> anyhow::Result<()> {
    let mut tx = outbox.begin().await?;
    let now = tx.now();
    if when == When::Due && next(&keys(tx.conn(), now).await?, policy, when, now).is_none() {
        return Ok(());
    }
    let now = signing_keys::lock(tx.conn()).await?;
    let old = keys(tx.conn(), now).await?;
    let Some(rotation) = next(&old, policy, when, now) else {
        return Ok(());
    };
    signing_keys::shorten(tx.conn(), rotation.others_expire_at).await?;
    let new = new_pair(rotation, rand::random());
    signing_keys::insert(tx.conn(), &new).await?;

    let mut changed = signing_keys::load(tx.conn(), now).await?;
    changed.retain(|pair| !old.contains(&pair.key));
    for pair in &changed {
        publish(&mut tx, pair, now).await?;
    }
    tx.commit().await?;
    tracing::info!(key_id = new.key.id, not_before = %rotation.not_before, "published a signing key");
    Ok(())
}

/// An access token. The key is read from the database each time, so that all replicas change keys
/// at the same moment.
pub async fn sign(
    connection: &mut PgConnection,
    policy: KeyPolicy,
    user: &User,
    now: DateTime<Utc>,
) -> Result<String, AuthError> {
    let pairs = signing_keys::load(connection, now).await?;
    let key = policy.signing_key(pairs.iter().map(|pair| &pair.key), now);
    let pair = pairs.iter().find(|pair| Some(&pair.key) == key).ok_or(AuthError::NoSigningKey)?;
    Ok(token(pair, user, policy.token_lifetime, now)?)
}

async fn keys(connection: &mut PgConnection, now: DateTime<Utc>) -> sqlx::Result<Vec<Key>> {
    let pairs = signing_keys::load(connection, now).await?;
    Ok(pairs.into_iter().map(|pair| pair.key).collect())
}

fn next(keys: &[Key], policy: KeyPolicy, when: When, now: DateTime<Utc>) -> Option<Rotation> {
    match when {
        When::Due => policy.rotation_due(keys, now),
        When::Now => Some(policy.rotation(keys, now)),
    }
}

fn new_pair(rotation: Rotation, private: [u8; 32]) -> KeyPair {
    let key = Key {
        id: Uuid::now_v7().simple().to_string(),
        not_before: rotation.not_before,
        expires_at: rotation.expires_at,
    };
    let public = SigningKey::from_bytes(&private).verifying_key();
    KeyPair { key, private, public: PublicKey::from_bytes(public.as_bytes()) }
}

async fn publish(tx: &mut Tx, pair: &KeyPair, now: DateTime<Utc>) -> anyhow::Result<()> {
    let trace = messaging::new_trace();
    let published = SigningKeyPublished {
        key_id: pair.key.id.clone(),
        algorithm: SigningAlgorithm::EdDsa,
        public_key: pair.public.clone(),
        not_before: pair.key.not_before,
        expires_at: pair.key.expires_at,
        published_at: now,
        trace_id: trace.trace_id,
    };
    // Auth checks tokens in the way all services do.
    tokens::store_signing_key(tx.conn(), &published).await?;
    tx.publish(published, &trace)?;
    Ok(())
}

fn token(
    pair: &KeyPair,
    user: &User,
    lifetime: TimeDelta,
    now: DateTime<Utc>,
) -> anyhow::Result<String> {
    let claims = Claims {
        iss: ISSUER.to_owned(),
        aud: AUDIENCE.to_owned(),
        sub: user.id,
        role: user.role,
        iat: now.timestamp(),
        exp: (now + lifetime).timestamp(),
    };
    let mut header = Header::new(Algorithm::EdDSA);
    header.kid = Some(pair.key.id.clone());
    let private = SigningKey::from_bytes(&pair.private).to_pkcs8_der()?;
    let key = EncodingKey::from_ed_der(private.as_bytes());
    Ok(jsonwebtoken::encode(&header, &claims, &key)?)
}
