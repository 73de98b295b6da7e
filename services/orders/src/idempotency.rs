//! Keys under which a customer may send a request again without ordering twice.

use std::str::FromStr;

use contracts::ids::{CustomerId, OrderId};
use serde::Serialize;
use sha2::{Digest, Sha256};
use sqlx::PgConnection;
use uuid::Uuid;

/// A key of the client's choice: 1 to 255 visible ASCII characters.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IdempotencyKey(String);

/// Why a text is no [`IdempotencyKey`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be 1 to 255 visible ASCII characters")]
pub struct KeyError;

impl FromStr for IdempotencyKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        let allowed = text.bytes().all(|byte| byte.is_ascii_graphic());
        if allowed && (1..=255).contains(&text.len()) {
            Ok(Self(text.to_owned()))
        } else {
            Err(KeyError)
        }
    }
}

/// A key with the request it came with.
#[derive(Debug, Clone)]
pub struct RequestKey {
    /// The key.
    pub key: IdempotencyKey,
    /// Tells two requests apart.
    pub hash: RequestHash,
}

/// SHA-256 of a request as it was understood: spaces and the order of fields do not matter.
pub type RequestHash = [u8; 32];

/// The hash of a request.
pub fn hash(request: &impl Serialize) -> serde_json::Result<RequestHash> {
    Ok(Sha256::digest(serde_json::to_vec(request)?).into())
}

/// A key and whose it is. Two customers may choose the same.
pub type Owned<'r> = (CustomerId, &'r IdempotencyKey);

/// What has become of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claim {
    /// Nobody else has used it, and nobody can until this transaction ends.
    Free,
    /// Another transaction is about to use it.
    InFlight,
    /// An order was placed under it.
    Used {
        /// By this request.
        hash: RequestHash,
        /// The order.
        order: OrderId,
    },
}

/// Takes keys, each named once, for this transaction; tells what has become of each. Never waits for
/// another transaction: a key in use elsewhere is [`Claim::InFlight`].
///
/// The lock comes first and the look-up after it, as two statements: whoever held the lock before has
/// committed by then, and the second statement sees it.
pub async fn claim(connection: &mut PgConnection, keys: &[Owned<'_>]) -> sqlx::Result<Vec<Claim>> {
    if keys.is_empty() {
        return Ok(Vec::new());
    }
    let locks: Vec<_> = keys.iter().map(lock_id).collect();
    let locked: Vec<bool> = sqlx::query_scalar(
        "SELECT pg_try_advisory_xact_lock(lock)
         FROM UNNEST($1::bigint[]) WITH ORDINALITY AS wanted (lock, position) ORDER BY position",
    )
    .bind(locks)
    .fetch_all(&mut *connection)
    .await?;
    let claim = |locked| if locked { Claim::Free } else { Claim::InFlight };
    let mut claims: Vec<_> = locked.into_iter().map(claim).collect();

    let used: Vec<(i64, RequestHash, Uuid)> = sqlx::query_as(
        "SELECT position, request_hash, order_id
         FROM UNNEST($1::uuid[], $2::text[]) WITH ORDINALITY AS wanted (customer_id, key, position)
         JOIN idempotency_keys USING (customer_id, key)",
    )
    .bind(keys.iter().map(|(customer, _)| customer.as_uuid()).collect::<Vec<_>>())
    .bind(keys.iter().map(|(_, key)| key.0.as_str()).collect::<Vec<_>>())
    .fetch_all(connection)
    .await?;
    for (position, hash, order) in used {
        // Positions count from 1.
        if let Some(claim) = usize::try_from(position - 1).ok().and_then(|at| claims.get_mut(at)) {
            *claim = Claim::Used { hash, order: OrderId::from_uuid(order) };
        }
    }
    Ok(claims)
}

/// Remembers claimed keys with what was placed under them.
pub async fn remember(
    connection: &mut PgConnection,
    used: &[(Owned<'_>, RequestHash, OrderId)],
) -> sqlx::Result<()> {
    if used.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "INSERT INTO idempotency_keys (customer_id, key, request_hash, order_id)
         SELECT * FROM UNNEST($1::uuid[], $2::text[], $3::bytea[], $4::uuid[])",
    )
    .bind(used.iter().map(|((customer, _), ..)| customer.as_uuid()).collect::<Vec<_>>())
    .bind(used.iter().map(|((_, key), ..)| key.0.as_str()).collect::<Vec<_>>())
    .bind(used.iter().map(|(_, hash, _)| &hash[..]).collect::<Vec<_>>())
    .bind(used.iter().map(|(.., order)| order.as_uuid()).collect::<Vec<_>>())
    .execute(connection)
    .await?;
    Ok(())
}

/// The advisory lock of a key: all services of a database share their numbers, of which there are
/// enough for a hash.
fn lock_id((customer, key): &Owned<'_>) -> i64 {
    let digest = Sha256::new()
        .chain_update("orders.idempotency_keys")
        .chain_update(customer.as_uuid())
        .chain_update(&key.0)
        .finalize();
    i64::from_be_bytes(std::array::from_fn(|byte| digest[byte]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys() {
        for good in ["a", "~!\"{}", "0198-a0de", &"k".repeat(255)] {
            assert!(good.parse::<IdempotencyKey>().is_ok(), "{good}");
        }
        for bad in ["", " ", "a b", "a\t", "ä", "a\u{7f}", &"k".repeat(256)] {
            assert_eq!(bad.parse::<IdempotencyKey>(), Err(KeyError), "{bad:?}");
        }
    }

    #[test]
    fn locks_differ_by_customer_and_by_key() {
        let customer = |n| CustomerId::from_uuid(Uuid::from_u128(n));
        let key = |text: &str| text.parse::<IdempotencyKey>().unwrap();
        let lock = |n, text| lock_id(&(customer(n), &key(text)));
        assert_eq!(lock(1, "a"), lock(1, "a"));
        assert_ne!(lock(1, "a"), lock(2, "a"));
        assert_ne!(lock(1, "a"), lock(1, "b"));
    }
}
