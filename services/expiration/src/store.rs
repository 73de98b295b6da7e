//! Timers in Postgres.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, Utc};
use contracts::ids::OrderId;
use contracts::trace::TraceContext;
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

use crate::timer::Change;

/// How long a closed timer is remembered, counted from the order's beginning. Longer than a record stays on
/// a topic, so that no topic that is read again sets a timer again.
const MEMORY: chrono::Duration = chrono::Duration::days(30);

/// Sets and closes timers, in the order of their keys. A closed one stays closed, one that is set keeps its
/// time.
pub async fn write(
    connection: &mut PgConnection,
    changes: &BTreeMap<OrderId, Change>,
) -> sqlx::Result<()> {
    let (mut orders, mut times, mut traces) = (Vec::new(), Vec::new(), Vec::new());
    for (order, change) in changes {
        orders.push(order.as_uuid());
        let (fires_at, trace) = match change {
            Change::Set { fires_at, trace } => (Some(*fires_at), Some(trace.to_string())),
            Change::Close => (None, None),
        };
        times.push(fires_at);
        traces.push(trace);
    }
    sqlx::query(
        "INSERT INTO timers AS timer (order_id, fires_at, traceparent, closed_at)
         SELECT order_id, fires_at, traceparent, CASE WHEN fires_at IS NULL THEN now() END
         FROM UNNEST($1::uuid[], $2::timestamptz[], $3::text[]) AS row (order_id, fires_at, traceparent)
         ORDER BY order_id
         ON CONFLICT (order_id) DO UPDATE SET fires_at = NULL, closed_at = now()
         WHERE excluded.fires_at IS NULL AND timer.fires_at IS NOT NULL",
    )
    .bind(orders)
    .bind(times)
    .bind(traces)
    .execute(connection)
    .await?;
    Ok(())
}

/// Closes timers that are due by the database's clock, at most `limit`, and returns their orders. Those that
/// another replica is about to fire are left to it.
pub async fn take_due(
    connection: &mut PgConnection,
    limit: i64,
) -> sqlx::Result<Vec<(OrderId, TraceContext)>> {
    let rows: Vec<(Uuid, String)> = sqlx::query_as(
        "UPDATE timers SET fires_at = NULL, closed_at = now()
         WHERE order_id IN (SELECT order_id FROM timers WHERE fires_at <= now()
                            ORDER BY fires_at, order_id LIMIT $1 FOR UPDATE SKIP LOCKED)
         RETURNING order_id, traceparent",
    )
    .bind(limit)
    .fetch_all(connection)
    .await?;
    rows.into_iter()
        .map(|(order, trace)| {
            let trace = TraceContext::parse(&trace).map_err(|e| sqlx::Error::Decode(e.into()))?;
            Ok((OrderId::from_uuid(order), trace))
        })
        .collect()
}

/// How long until the next timer is due, nothing if it is overdue; `None` where none is set.
pub async fn until_next(pool: &PgPool) -> sqlx::Result<Option<Duration>> {
    let seconds: Option<f64> = sqlx::query_scalar(
        "SELECT extract(epoch FROM fires_at - clock_timestamp())::float8
         FROM timers WHERE fires_at IS NOT NULL ORDER BY fires_at LIMIT 1",
    )
    .fetch_optional(pool)
    .await?;
    Ok(seconds.map(|seconds| Duration::try_from_secs_f64(seconds).unwrap_or_default()))
}

/// Forgets closed timers of orders older than [`MEMORY`], and returns how many. The ids of orders are
/// `UUIDv7`, so age is a range of the primary key.
pub async fn prune(pool: &PgPool) -> sqlx::Result<u64> {
    let now: DateTime<Utc> = sqlx::query_scalar("SELECT now()").fetch_one(pool).await?;
    let oldest_kept = first_id_at(now - MEMORY);
    let mut pruned = 0;
    loop {
        // In pieces, so that no transaction is long.
        let rows = sqlx::query(
            "DELETE FROM timers WHERE order_id IN
             (SELECT order_id FROM timers WHERE order_id < $1 AND fires_at IS NULL
              ORDER BY order_id LIMIT 10000 FOR UPDATE SKIP LOCKED)",
        )
        .bind(oldest_kept)
        .execute(pool)
        .await?
        .rows_affected();
        pruned += rows;
        if rows < 10_000 {
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
