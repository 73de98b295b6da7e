//! The keys that tokens are checked with.

use std::collections::HashMap;
use std::sync::{self, Arc, PoisonError, RwLock};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use contracts::events::SigningKeyPublished;
use jsonwebtoken::DecodingKey;
use sqlx::{PgConnection, PgPool};
use tokio::sync::Mutex;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::Caller;
use super::check::{Bearer, Key, TokenError, check};

const RELOAD_INTERVAL: Duration = Duration::from_secs(30);
const RELOAD_PAUSE: Duration = Duration::from_secs(1);

/// Tokens remembered, of some 400 bytes each.
const REMEMBERED: usize = 10_000;

/// The published signing keys, from the service's own database. Cheap to clone.
#[derive(Clone)]
pub struct KeyRing(Arc<Inner>);

struct Inner {
    pool: PgPool,
    known: RwLock<Known>,
    /// Tokens whose signature was right, with their key. It costs more than all else of a small request, and
    /// clients send a token again and again. Cleared when it is full: who is remembered is no secret to keep
    /// in order.
    verified: sync::Mutex<HashMap<Box<str>, (String, Bearer)>>,
    last_reload: Mutex<Option<Reload>>,
}

/// What the database told.
struct Known {
    keys: HashMap<String, Key>,
    /// Its time then. Tokens are judged by its clock: that of this machine may be wrong, or jump.
    at: DateTime<Utc>,
    read: Instant,
}

struct Reload {
    at: Instant,
    succeeded: bool,
}

impl KeyRing {
    /// An empty ring that reads keys from `pool` when a token asks for one it has not.
    pub fn new(pool: PgPool) -> Self {
        let known = Known { keys: HashMap::new(), at: DateTime::UNIX_EPOCH, read: Instant::now() };
        Self(Arc::new(Inner {
            pool,
            known: RwLock::new(known),
            verified: sync::Mutex::default(),
            last_reload: Mutex::default(),
        }))
    }

    /// Checks a token: algorithm, key, signature, issuer, audience and expiry.
    ///
    /// A signature that was right stays right for as long as its key is known. Whether the time of the key
    /// and of the token has come and not gone is asked again each time.
    pub async fn verify(&self, token: &str) -> Result<Caller, TokenError> {
        if let Some((kid, bearer)) = self.remembered(token)
            && let Some((key, now)) = self.find(&kid)
        {
            key.check_time(now)?;
            return bearer.at(now);
        }
        let header = jsonwebtoken::decode_header(token).map_err(TokenError::Invalid)?;
        let kid = header.kid.ok_or(TokenError::UnknownKey)?;
        if self.find(&kid).is_none() {
            self.reload_if_due().await?;
        }
        let (key, now) = self.find(&kid).ok_or(TokenError::UnknownKey)?;
        key.check_time(now)?;
        let bearer = check(token, &key)?;
        let caller = bearer.at(now)?;
        self.remember(token, kid, bearer);
        Ok(caller)
    }

    fn remembered(&self, token: &str) -> Option<(String, Bearer)> {
        self.0.verified.lock().unwrap_or_else(PoisonError::into_inner).get(token).cloned()
    }

    fn remember(&self, token: &str, kid: String, bearer: Bearer) {
        let mut verified = self.0.verified.lock().unwrap_or_else(PoisonError::into_inner);
        if verified.len() >= REMEMBERED {
            verified.clear();
        }
        verified.insert(token.into(), (kid, bearer));
    }

    /// Whether any key is at hand; asks the database while none is.
    pub(crate) async fn is_filled(&self) -> bool {
        let known = || self.0.known.read().unwrap_or_else(PoisonError::into_inner);
        let filled = || !known().keys.is_empty();
        filled() || (self.reload().await.is_ok() && filled())
    }

    /// Notices keys that have been withdrawn, by an earlier expiry, while they are in use.
    pub(crate) async fn keep_current(self, shutdown: CancellationToken) -> anyhow::Result<()> {
        shutdown.run_until_cancelled(self.reload_for_ever()).await;
        Ok(())
    }

    async fn reload_for_ever(&self) {
        // The first are read when somebody asks for one; a second reading at the start would be one for nothing.
        let mut interval =
            tokio::time::interval_at(Instant::now() + RELOAD_INTERVAL, RELOAD_INTERVAL);
        loop {
            interval.tick().await;
            if let Err(error) = self.reload().await {
                tracing::warn!(%error, "cannot read the signing keys; going on with those at hand");
            }
        }
    }

    /// A key, and the time now.
    fn find(&self, kid: &str) -> Option<(Key, DateTime<Utc>)> {
        let known = self.0.known.read().unwrap_or_else(PoisonError::into_inner);
        let key = known.keys.get(kid)?.clone();
        let since = TimeDelta::from_std(known.read.elapsed()).unwrap_or(TimeDelta::MAX);
        Some((key, known.at.checked_add_signed(since)?))
    }

    /// Tokens with made-up keys must not become queries: one a second, whoever asks.
    async fn reload_if_due(&self) -> Result<(), TokenError> {
        let mut last = self.0.last_reload.lock().await;
        match &*last {
            Some(reload) if reload.at.elapsed() < RELOAD_PAUSE => {
                return if reload.succeeded { Ok(()) } else { Err(TokenError::Unavailable(None)) };
            }
            _ => {}
        }
        let reloaded = self.reload().await;
        *last = Some(Reload { at: Instant::now(), succeeded: reloaded.is_ok() });
        reloaded.map_err(|error| TokenError::Unavailable(Some(error)))
    }

    async fn reload(&self) -> Result<(), sqlx::Error> {
        type Row = (String, String, DateTime<Utc>, DateTime<Utc>, DateTime<Utc>);

        let rows: Vec<Row> = sqlx::query_as(
            "SELECT key_id, public_key, not_before, expires_at, clock_timestamp() \
             FROM signing_keys WHERE expires_at > now()",
        )
        .fetch_all(&self.0.pool)
        .await?;
        let (read, mut at) = (Instant::now(), DateTime::UNIX_EPOCH);
        let mut keys = HashMap::with_capacity(rows.len());
        for (key_id, public_key, not_before, expires_at, now) in rows {
            at = now;
            match DecodingKey::from_ed_components(&public_key) {
                Ok(public) => {
                    keys.insert(key_id, Key { public, not_before, expires_at });
                }
                Err(error) => tracing::error!(key_id, %error, "ignoring a signing key"),
            }
        }
        *self.0.known.write().unwrap_or_else(PoisonError::into_inner) = Known { keys, at, read };
        Ok(())
    }
}

/// Keeps a published key. Publications of one key may arrive twice and in any order: the key itself
/// never changes, and the earliest expiry counts.
pub async fn store_signing_key(
    connection: &mut PgConnection,
    published: &SigningKeyPublished,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO signing_keys (key_id, public_key, not_before, expires_at) \
         VALUES ($1, $2, $3, $4) \
         ON CONFLICT (key_id) DO UPDATE \
         SET expires_at = least(signing_keys.expires_at, excluded.expires_at)",
    )
    .bind(&published.key_id)
    .bind(published.public_key.as_str())
    .bind(published.not_before)
    .bind(published.expires_at)
    .execute(connection)
    .await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use contracts::events::Role;
    use contracts::ids::CustomerId;
    use uuid::Uuid;

    use super::*;
    use crate::testing::TestSigner;

    /// As if the database had told of this key, at this time.
    fn told(ring: &KeyRing, keys: impl IntoIterator<Item = (String, Key)>, at: DateTime<Utc>) {
        let known = Known { keys: keys.into_iter().collect(), at, read: Instant::now() };
        *ring.0.known.write().unwrap() = known;
    }

    #[tokio::test]
    async fn a_token_that_was_taken_before_is_judged_by_its_key_and_the_time_again() {
        let signer = TestSigner::new();
        let token = signer.token(CustomerId::from_uuid(Uuid::nil()), Role::Customer).unwrap();
        let published = signer.published();
        let key = Key {
            public: DecodingKey::from_ed_components(published.public_key.as_str()).unwrap(),
            not_before: published.not_before,
            expires_at: published.expires_at,
        };
        let kid = published.key_id;
        let now = Utc::now();
        let ring =
            KeyRing::new(PgPool::connect_lazy("postgres://nobody@127.0.0.1:1/none").unwrap());

        told(&ring, [(kid.clone(), key.clone())], now);
        let caller = ring.verify(&token).await.unwrap();
        assert!(ring.remembered(&token).is_some());
        assert_eq!(ring.verify(&token).await.unwrap(), caller);
        let changed = format!("{}A", &token[..token.len() - 1]);
        assert!(changed == token || ring.verify(&changed).await.is_err());

        told(&ring, [(kid.clone(), Key { expires_at: now, ..key.clone() })], now);
        assert!(matches!(ring.verify(&token).await, Err(TokenError::UnknownKey)), "withdrawn");
        let lasting = Key { expires_at: now + TimeDelta::days(900), ..key };
        told(&ring, [(kid, lasting)], now + TimeDelta::days(800));
        assert!(matches!(ring.verify(&token).await, Err(TokenError::Invalid(_))), "expired");
    }

    #[test]
    fn no_more_tokens_are_remembered_than_there_is_room_for() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let _inside = runtime.enter();
        let ring =
            KeyRing::new(PgPool::connect_lazy("postgres://nobody@127.0.0.1:1/none").unwrap());
        let caller = Caller { customer: CustomerId::from_uuid(Uuid::nil()), role: Role::Customer };
        for number in 0..=REMEMBERED {
            ring.remember(&number.to_string(), String::new(), Bearer { caller, until: 0 });
        }
        assert_eq!(ring.0.verified.lock().unwrap().len(), 1);
    }
}
