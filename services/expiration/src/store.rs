//! Timers in Postgres, by its clock alone.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, Utc};
use contracts::ids::OrderId;
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

use crate::timer::Timer;

/// How long the end of an order's timer is remembered, counted from the order's beginning. Longer than
/// any record stays on a topic, so that no topic that is read again sets a timer again.
pub const MEMORY: chrono::Duration = chrono::Duration::days(30);

/// The most timers that fire in one transaction.
const MAX_FIRED: i64 = 500;

/// The most markers that are deleted in one transaction.
const MAX_PRUNED: u64 = 10_000;

/// A timer that has just fired.
#[derive(Debug, sqlx::FromRow)]
pub struct Fired {
    /// Whose.
    pub order_id: Uuid,
    /// Of the event that set it.
    pub traceparent: String,
}

/// Lays changes over what is known, as [`Timer::and`] does. The rows are locked in the order of their
/// keys, so that replicas that hear of the same orders at once wait for each other.
pub async fn apply(
    connection: &mut PgConnection,
    changes: &BTreeMap<OrderId, Timer>,
) -> sqlx::Result<()> {
    let ids: Vec<Uuid> = changes.keys().map(|order| order.as_uuid()).collect();
    let (fires_at, traces): (Vec<Option<DateTime<Utc>>>, Vec<Option<String>>) = changes
        .values()
        .map(|timer| match timer {
            Timer::Set { fires_at, trace } => (Some(*fires_at), Some(trace.to_string())),
            Timer::Done => (None, None),
        })
        .unzip();
    sqlx::query(
        "INSERT INTO timers (order_id, fires_at, traceparent)
         SELECT order_id, fires_at, traceparent
         FROM UNNEST($1::uuid[], $2::timestamptz[], $3::text[])
              AS change (order_id, fires_at, traceparent)
         ORDER BY order_id
         ON CONFLICT (order_id) DO UPDATE SET fires_at = NULL, traceparent = NULL
         WHERE excluded.fires_at IS NULL AND timers.fires_at IS NOT NULL",
    )
    .bind(ids)
    .bind(fires_at)
    .bind(traces)
    .execute(connection)
    .await?;
    Ok(())
}

/// Ends the timers that are due and that no other replica is firing, and returns them.
pub async fn fire_due(connection: &mut PgConnection) -> sqlx::Result<Vec<Fired>> {
    sqlx::query_as(
        "WITH due AS (
             SELECT order_id, traceparent FROM timers WHERE fires_at <= now()
             ORDER BY fires_at, order_id LIMIT $1 FOR UPDATE SKIP LOCKED)
         UPDATE timers SET fires_at = NULL, traceparent = NULL FROM due
         WHERE timers.order_id = due.order_id
         RETURNING due.order_id, due.traceparent",
    )
    .bind(MAX_FIRED)
    .fetch_all(connection)
    .await
}

/// How long it is until the next timer is due, if there is one; nothing if it is overdue.
pub async fn until_next(connection: &mut PgConnection) -> sqlx::Result<Option<Duration>> {
    let seconds: Option<f64> = sqlx::query_scalar(
        "SELECT extract(epoch FROM fires_at - clock_timestamp())::float8 FROM timers
         WHERE fires_at IS NOT NULL ORDER BY fires_at, order_id LIMIT 1",
    )
    .fetch_optional(connection)
    .await?;
    Ok(seconds.map(|seconds| Duration::try_from_secs_f64(seconds).unwrap_or_default()))
}

/// Forgets the timers that are done of orders older than [`MEMORY`], and returns how many. The ids of
/// orders are `UUIDv7`, so age is a range of the primary key.
pub async fn prune(pool: &PgPool) -> sqlx::Result<u64> {
    let now: DateTime<Utc> = sqlx::query_scalar("SELECT now()").fetch_one(pool).await?;
    let oldest_kept = first_id_at(now - MEMORY);
    let mut pruned = 0;
    loop {
        // In pieces, so that no transaction is long.
        let deleted = sqlx::query(
            "DELETE FROM timers WHERE order_id IN (
                 SELECT order_id FROM timers WHERE order_id < $1 AND fires_at IS NULL
                 ORDER BY order_id LIMIT $2 FOR UPDATE SKIP LOCKED)",
        )
        .bind(oldest_kept)
        .bind(i64::try_from(MAX_PRUNED).unwrap_or(i64::MAX))
        .execute(pool)
        .await?
        .rows_affected();
        pruned += deleted;
        if deleted < MAX_PRUNED {
            return Ok(pruned);
        }
    }
}

/// The smallest `UUIDv7` of a millisecond.
fn first_id_at(time: DateTime<Utc>) -> Uuid {
    let millis = u64::try_from(time.timestamp_millis()).unwrap_or(0);
    Uuid::from_u64_pair((millis << 16) | 0x7000, 0x8000_0000_0000_0000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_id_of_a_time_lies_between_those_before_and_after() {
        let now = Utc::now();
        let (before, after) = (first_id_at(now), Uuid::now_v7());
        assert!(before < after && after < first_id_at(now + chrono::Duration::minutes(1)));
    }
}
