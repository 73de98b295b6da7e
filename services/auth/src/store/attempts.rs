use std::collections::HashMap;

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use crate::attempts::Counter;

type Times = Vec<DateTime<Utc>>;

/// When was counted, oldest first, in the order of the counters.
pub async fn read(connection: &mut PgConnection, counters: &[Counter]) -> sqlx::Result<Vec<Times>> {
    let rows: Vec<([u8; 32], Times)> =
        sqlx::query_as("SELECT key, attempted_at FROM sign_in_attempts WHERE key = ANY($1)")
            .bind(keys(counters))
            .fetch_all(connection)
            .await?;
    Ok(in_order(rows, counters))
}

/// [`read`]; until the end of the transaction nobody else can count.
pub async fn lock(
    connection: &mut PgConnection,
    counters: &[Counter],
    now: DateTime<Utc>,
) -> sqlx::Result<Vec<Times>> {
    // Makes the rows that are missing, locks all of them in the order of their keys, and returns
    // them as they are now.
    let rows: Vec<([u8; 32], Times)> = sqlx::query_as(
        "INSERT INTO sign_in_attempts AS a (key, attempted_at, last_attempt_at) \
         SELECT key, '{}', $2 FROM unnest($1::bytea[]) AS key ORDER BY key \
         ON CONFLICT (key) DO UPDATE SET last_attempt_at = greatest(a.last_attempt_at, $2) \
         RETURNING key, attempted_at",
    )
    .bind(keys(counters))
    .bind(now)
    .fetch_all(connection)
    .await?;
    Ok(in_order(rows, counters))
}

/// Writes back what was locked.
pub async fn write(
    connection: &mut PgConnection,
    counter: &Counter,
    times: &Times,
) -> sqlx::Result<()> {
    sqlx::query("UPDATE sign_in_attempts SET attempted_at = $2 WHERE key = $1")
        .bind(counter.key)
        .bind(times)
        .execute(connection)
        .await?;
    Ok(())
}

/// Lets a counter start anew.
pub async fn clear(connection: &mut PgConnection, counter: &Counter) -> sqlx::Result<()> {
    sqlx::query("DELETE FROM sign_in_attempts WHERE key = $1")
        .bind(counter.key)
        .execute(connection)
        .await?;
    Ok(())
}

fn keys(counters: &[Counter]) -> Vec<[u8; 32]> {
    counters.iter().map(|counter| counter.key).collect()
}

fn in_order(rows: Vec<([u8; 32], Times)>, counters: &[Counter]) -> Vec<Times> {
    let mut rows: HashMap<_, _> = rows.into_iter().collect();
    counters.iter().map(|counter| rows.remove(&counter.key).unwrap_or_default()).collect()
}
