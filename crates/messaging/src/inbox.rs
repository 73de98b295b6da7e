use std::collections::HashSet;

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

/// How long a processed event's id is remembered. States make a later repeat harmless as well; the
/// inbox only makes it cheap.
pub(crate) const HORIZON: chrono::Duration = chrono::Duration::days(7);

const PRUNE_AT_ONCE: i64 = 5000;

/// Marks events as processed and returns those that were not yet, with the transaction's time.
pub(crate) async fn mark(
    connection: &mut PgConnection,
    ids: &[Uuid],
) -> sqlx::Result<(DateTime<Utc>, HashSet<Uuid>)> {
    let (now, fresh): (_, Vec<Uuid>) = sqlx::query_as(
        "WITH fresh AS (
             INSERT INTO inbox (event_id) SELECT id FROM UNNEST($1::uuid[]) AS id ORDER BY id
             ON CONFLICT DO NOTHING RETURNING event_id)
         SELECT now(), ARRAY(SELECT event_id FROM fresh)",
    )
    .bind(ids)
    .fetch_one(connection)
    .await?;
    Ok((now, fresh.into_iter().collect()))
}

/// Forgets some of the events older than the horizon; whether those were all. In pieces, so that no
/// lock is held for long. Ids are UUIDv7, so age is a range of the primary key.
pub(crate) async fn prune(connection: &mut PgConnection) -> sqlx::Result<bool> {
    let now: DateTime<Utc> = sqlx::query_scalar("SELECT now()").fetch_one(&mut *connection).await?;
    let pruned = sqlx::query(
        "DELETE FROM inbox WHERE event_id IN
         (SELECT event_id FROM inbox WHERE event_id < $1 ORDER BY event_id LIMIT $2)",
    )
    .bind(uuid_floor(now - HORIZON))
    .bind(PRUNE_AT_ONCE)
    .execute(connection)
    .await?
    .rows_affected();
    Ok(pruned < PRUNE_AT_ONCE.unsigned_abs())
}

/// The smallest UUIDv7 of a millisecond.
fn uuid_floor(time: DateTime<Utc>) -> Uuid {
    let millis = u64::try_from(time.timestamp_millis()).unwrap_or(0);
    Uuid::from_u64_pair((millis << 16) | 0x7000, 0x8000_0000_0000_0000)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Pruning takes what is older than the horizon, to the millisecond, and nothing else.
        #[test]
        fn the_floor_divides_ids_by_their_time(
            millis in 1_600_000_000_000u64..4_000_000_000_000,
            apart in 0u64..10_000,
            random: [u8; 10],
        ) {
            let id = uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid();
            let time = |millis: u64| DateTime::from_timestamp_millis(millis.cast_signed()).unwrap();
            prop_assert!(uuid_floor(time(millis - apart)) <= id);
            prop_assert!(uuid_floor(time(millis + apart + 1)) > id);
        }
    }
}
