//! When rows are to be looked at again, kept apart from the rows.
//!
//! A row that says itself when it is due needs an index of that, which each of its changes then has to touch. So
//! the time stands in a reminder, with the keys of all rows that a transaction makes due: one row a batch. Reminders
//! are written with the rows and taken in the transaction that looks at them, so none is lost; a row that is not
//! due any more by then is passed over.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

/// Keys in one reminder at the most: more would not fit its page.
const KEYS: usize = 400;
/// How much later than the earliest a row may be due to be in the same reminder. Whoever takes it reminds of
/// those that are not due yet once more.
const APART: TimeDelta = TimeDelta::seconds(1);
/// Reminders taken at once, so that no transaction is long.
const TAKEN_AT_ONCE: usize = 4;

/// What was due, by the database's clock.
#[derive(Debug)]
pub struct Taken {
    /// The keys of rows to look at, in no order, some perhaps twice.
    pub keys: Vec<Uuid>,
    /// Whether there may be more.
    pub more: bool,
}

/// Reminds of rows, each by its key and the time at which it is due. To be called in the transaction that makes
/// them so.
pub async fn remind(
    connection: &mut PgConnection,
    due: impl IntoIterator<Item = (DateTime<Utc>, Uuid)>,
) -> sqlx::Result<()> {
    let mut due: Vec<_> = due.into_iter().collect();
    if due.is_empty() {
        return Ok(());
    }
    let packs = packs(&mut due);
    let (times, keys): (Vec<_>, Vec<_>) = due.into_iter().unzip();
    sqlx::query(
        "INSERT INTO reminders (due_at, keys)
         SELECT min(due_at), array_agg(key)
         FROM UNNEST($1::int[], $2::timestamptz[], $3::uuid[]) AS due (pack, due_at, key)
         GROUP BY pack",
    )
    .bind(packs)
    .bind(times)
    .bind(keys)
    .execute(connection)
    .await?;
    Ok(())
}

/// Takes reminders that are due, the longest due first. Those that another replica is taking are left to it.
///
/// Their rows are to be looked at in this transaction; of one that is still waited for, it has to remind again.
pub async fn take(connection: &mut PgConnection) -> sqlx::Result<Taken> {
    // Materialised, or the planner may run it more than once and take more than it should.
    let taken: Vec<Vec<Uuid>> = sqlx::query_scalar(
        "WITH due AS MATERIALIZED (
             SELECT id FROM reminders WHERE due_at <= now()
             ORDER BY due_at LIMIT $1 FOR UPDATE SKIP LOCKED)
         DELETE FROM reminders USING due WHERE reminders.id = due.id RETURNING keys",
    )
    .bind(i64::try_from(TAKEN_AT_ONCE).unwrap_or(i64::MAX))
    .fetch_all(connection)
    .await?;
    Ok(Taken { more: taken.len() == TAKEN_AT_ONCE, keys: taken.concat() })
}

/// How long until the next reminder is due, nothing if it is overdue; `None` where there is none.
pub async fn until_next(pool: &PgPool) -> sqlx::Result<Option<Duration>> {
    let seconds: Option<f64> = sqlx::query_scalar(
        "SELECT extract(epoch FROM min(due_at) - clock_timestamp())::float8 FROM reminders",
    )
    .fetch_one(pool)
    .await?;
    Ok(seconds.map(|seconds| Duration::try_from_secs_f64(seconds).unwrap_or_default()))
}

/// Sorts what is due by its time, and tells for each in which reminder it goes.
fn packs(due: &mut [(DateTime<Utc>, Uuid)]) -> Vec<i32> {
    due.sort_unstable();
    let (mut pack, mut first, mut size) = (0, DateTime::<Utc>::MIN_UTC, 0);
    let mut packs = Vec::with_capacity(due.len());
    for (at, _) in due {
        if size == KEYS || *at - first > APART {
            (pack, first, size) = (pack + 1, *at, 0);
        }
        size += 1;
        packs.push(pack);
    }
    packs
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// A reminder is due no later than any of its rows, not much earlier, and fits its page.
        #[test]
        fn a_reminder_is_due_with_its_earliest_row(
            millis in prop::collection::vec(0i64..5_000, 0..2_000),
        ) {
            let at = |millis| DateTime::from_timestamp_millis(millis).unwrap();
            let mut due: Vec<_> = millis.iter().map(|millis| (at(*millis), Uuid::now_v7())).collect();
            let packs = packs(&mut due);
            prop_assert_eq!(packs.len(), due.len());
            prop_assert!(packs.is_sorted() && due.is_sorted());
            let all: Vec<_> = packs.iter().zip(&due).collect();
            for pack in all.chunk_by(|(a, _), (b, _)| a == b) {
                prop_assert!(pack.len() <= KEYS);
                prop_assert!(pack[pack.len() - 1].1.0 - pack[0].1.0 <= APART);
            }
        }
    }
}
