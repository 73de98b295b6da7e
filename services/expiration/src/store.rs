//! Timers in Postgres.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use contracts::ids::OrderId;
use contracts::trace::TraceContext;
use messaging::reminders;
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

use crate::timer::Change;

/// How long a closed timer is remembered, counted from the order's beginning. Longer than a record stays on
/// a topic, so that no topic that is read again sets a timer again.
const MEMORY: chrono::Duration = chrono::Duration::days(30);

/// Timers fired in one transaction at most.
const BATCH: usize = 500;

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
    .bind(&orders)
    .bind(&times)
    .bind(traces)
    .execute(&mut *connection)
    .await?;
    let set = times.into_iter().zip(orders).filter_map(|(at, order)| Some((at?, order)));
    reminders::remind(connection, set.collect()).await
}

/// Timers that were due by the database's clock.
#[derive(Debug, Default)]
pub struct Fired {
    /// Their orders, each with the trace it was placed in.
    pub orders: Vec<(OrderId, TraceContext)>,
    /// Whether there may be more.
    pub more: bool,
}

/// Closes timers that are due. Those that another replica is about to fire are left to it.
pub async fn take_due(connection: &mut PgConnection) -> sqlx::Result<Fired> {
    let taken = reminders::take(&mut *connection, BATCH).await?;
    if taken.is_empty() {
        return Ok(Fired::default());
    }
    let set = sqlx::query_as(
        "SELECT fires_at, order_id FROM timers WHERE order_id = ANY($1) AND fires_at IS NOT NULL",
    )
    .bind(taken.keys())
    .fetch_all(&mut *connection)
    .await?;
    let chosen = taken.choose(set);
    let rows: Vec<(Uuid, String)> = sqlx::query_as(
        "WITH free AS MATERIALIZED (
             SELECT order_id FROM timers WHERE order_id = ANY($1) AND fires_at <= now()
             ORDER BY order_id FOR UPDATE SKIP LOCKED)
         UPDATE timers SET fires_at = NULL, closed_at = now()
         FROM free WHERE timers.order_id = free.order_id RETURNING timers.order_id, traceparent",
    )
    .bind(&chosen.due)
    .fetch_all(&mut *connection)
    .await?;
    let more = chosen.more;
    let fired: Vec<Uuid> = rows.iter().map(|(order, _)| *order).collect();
    chosen.remind(connection, &fired, None).await?;
    let orders = rows.into_iter().map(|(order, trace)| {
        let trace = TraceContext::parse(&trace).map_err(|e| sqlx::Error::Decode(e.into()))?;
        Ok((OrderId::from_uuid(order), trace))
    });
    Ok(Fired { orders: orders.collect::<sqlx::Result<_>>()?, more })
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
