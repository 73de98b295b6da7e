//! Which events were processed.
//!
//! Ids are UUIDv7, whose first 48 bits are milliseconds. The ids of a batch are kept together, one row for each
//! slot of 64 ms: what a batch may share with an earlier one lies in the rows of its own slots, however much
//! is remembered.
//!
//! Two transactions that process an event at the same time do not see each other here: a member that came back
//! from the dead, and the one that took over from it. They meet at the states they lock, to which the
//! second finds nothing left to do.

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

/// How long a processed event's id is remembered. States make a later repeat harmless as well; the
/// inbox only makes it cheap.
pub(crate) const HORIZON: chrono::Duration = chrono::Duration::days(7);

/// Rows, of a few dozen ids each.
const PRUNE_AT_ONCE: i64 = 1000;

/// Milliseconds of a slot, as a power of two.
const SLOT_BITS: u32 = 6;

/// Ids in one row at the most: more would not fit its page.
const IDS_OF_A_ROW: i32 = 400;

/// Marks events as processed and returns those that were not yet, with the transaction's time.
pub(crate) async fn mark(
    connection: &mut PgConnection,
    ids: &[Uuid],
) -> sqlx::Result<(DateTime<Utc>, HashSet<Uuid>)> {
    let mut ids = ids.to_vec();
    ids.sort_unstable();
    ids.dedup();
    let slots: Vec<i64> = ids.iter().map(|id| slot_of(*id)).collect();
    let (now, known): (_, Vec<Uuid>) = sqlx::query_as(
        "WITH known AS MATERIALIZED (
             SELECT id FROM inbox CROSS JOIN UNNEST(event_ids) AS id
             -- In this form the ids are hashed; `= ANY` compares each with each.
             WHERE slot = ANY($1) AND (id IN (SELECT UNNEST($2::uuid[]))) IS TRUE),
         marked AS (
             INSERT INTO inbox (slot, event_ids)
             SELECT slot, array_agg(id)
             FROM UNNEST($1::bigint[], $2::uuid[]) WITH ORDINALITY AS new (slot, id, position)
             WHERE id NOT IN (SELECT id FROM known) GROUP BY slot, position / $3)
         SELECT now(), ARRAY(SELECT id FROM known)",
    )
    .bind(slots)
    .bind(&ids)
    .bind(IDS_OF_A_ROW)
    .fetch_one(connection)
    .await?;
    let mut fresh: HashSet<Uuid> = ids.into_iter().collect();
    for id in known {
        fresh.remove(&id);
    }
    Ok((now, fresh))
}

/// Forgets some of the events older than the horizon; whether those were all. In pieces, so that no
/// lock is held for long.
pub(crate) async fn prune(connection: &mut PgConnection) -> sqlx::Result<bool> {
    let now: DateTime<Utc> = sqlx::query_scalar("SELECT now()").fetch_one(&mut *connection).await?;
    let pruned = sqlx::query(
        "DELETE FROM inbox WHERE ctid = ANY(ARRAY(
             SELECT ctid FROM inbox WHERE slot < $1 ORDER BY slot LIMIT $2))",
    )
    .bind(slot_at(now - HORIZON))
    .bind(PRUNE_AT_ONCE)
    .execute(connection)
    .await?
    .rows_affected();
    Ok(pruned < PRUNE_AT_ONCE.unsigned_abs())
}

/// The slot an id belongs to.
fn slot_of(id: Uuid) -> i64 {
    let millis = id.as_u64_pair().0 >> 16;
    (millis >> SLOT_BITS).cast_signed()
}

/// The slot that ids of this time belong to.
fn slot_at(time: DateTime<Utc>) -> i64 {
    time.timestamp_millis() >> SLOT_BITS
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Pruning takes slots of ids that are older than the horizon, and nothing else.
        #[test]
        fn ids_of_a_time_are_in_its_slot_and_later_ones_in_no_earlier(
            millis in 1_600_000_000_000u64..4_000_000_000_000,
            apart in 0u64..10_000,
            random: [u8; 10],
        ) {
            let id = |millis| uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid();
            let time = DateTime::from_timestamp_millis(millis.cast_signed()).unwrap();
            prop_assert_eq!(slot_of(id(millis)), slot_at(time));
            prop_assert!(slot_of(id(millis + apart)) >= slot_of(id(millis)));
            prop_assert!(slot_of(id(millis + 64)) == slot_of(id(millis)) + 1);
        }
    }
}
