//! When rows are to be looked at again, kept apart from the rows.
//!
//! A row that says itself when it is due needs an index of that, which each of its changes then has to touch. So
//! the time stands in a reminder, with the keys of all rows that a transaction makes due: one row for many.
//!
//! Each row that is due at some time is named by a reminder of that time, or of up to a second before. Whoever moves
//! a row's time reminds of it in the same transaction; the reminder of its old time is passed over when it
//! comes, so a row is named about once, however often it is tried. Reminders are taken in the transaction that looks at
//! their rows, so none is lost.

use std::collections::HashMap;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

/// Keys in one reminder at the most. Whoever can do less at once writes the rest anew.
const KEYS: usize = 100;
/// How much later than the earliest a row may be due to be in the same reminder.
const APART: TimeDelta = TimeDelta::seconds(1);
/// When a row is looked at again that was due and that another transaction has in hand.
const BUSY: TimeDelta = TimeDelta::seconds(1);
/// Reminders taken at once, so that no transaction is long.
const TAKEN_AT_ONCE: usize = 10;

/// Reminders that were due, by the database's clock.
#[derive(Debug)]
pub struct Taken {
    now: DateTime<Utc>,
    /// The latest reminder of each row.
    named: HashMap<Uuid, DateTime<Utc>>,
    more: bool,
    limit: usize,
}

/// What is to be done with the rows that reminders named.
#[derive(Debug)]
pub struct Chosen {
    /// The keys of those to lock now, if nobody else has; one that is due twice is there twice.
    pub due: Vec<Uuid>,
    /// Whether there may be more to do now.
    pub more: bool,
    now: DateTime<Utc>,
    left: Vec<(DateTime<Utc>, Uuid)>,
}

/// Reminds of rows, each by its key and the time at which it is due. To be called in the transaction that makes
/// them so.
pub async fn remind(
    connection: &mut PgConnection,
    mut due: Vec<(DateTime<Utc>, Uuid)>,
) -> sqlx::Result<()> {
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

/// Takes reminders that are due, the longest due first, for whoever can do with `limit` rows now. Those that another
/// replica is taking are left to it.
pub async fn take(connection: &mut PgConnection, limit: usize) -> sqlx::Result<Taken> {
    let at_most = limit.div_ceil(KEYS).clamp(1, TAKEN_AT_ONCE);
    // Materialised, or the planner may run it more than once and take more than it should.
    let taken: Vec<(DateTime<Utc>, DateTime<Utc>, Vec<Uuid>)> = sqlx::query_as(
        "WITH due AS MATERIALIZED (
             SELECT id FROM reminders WHERE due_at <= now()
             ORDER BY due_at LIMIT $1 FOR UPDATE SKIP LOCKED)
         DELETE FROM reminders USING due WHERE reminders.id = due.id RETURNING now(), due_at, keys",
    )
    .bind(i64::try_from(at_most).unwrap_or(i64::MAX))
    .fetch_all(connection)
    .await?;
    let now = taken.first().map_or(DateTime::<Utc>::MIN_UTC, |(now, ..)| *now);
    let more = taken.len() == at_most;
    let mut named = HashMap::new();
    for (_, at, keys) in taken {
        for key in keys {
            let latest = named.entry(key).or_insert(at);
            *latest = at.max(*latest);
        }
    }
    Ok(Taken { now, named, more, limit })
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

impl Taken {
    /// Whether nothing was due.
    pub fn is_empty(&self) -> bool {
        self.named.is_empty()
    }

    /// The keys of the rows to look at. To be read without a lock: who else has one in hand is not waited for.
    pub fn keys(&self) -> Vec<Uuid> {
        self.named.keys().copied().collect()
    }

    /// The time of this transaction by the database's clock.
    pub fn now(&self) -> DateTime<Utc> {
        self.now
    }

    /// Chooses of the rows that wait, each with the time at which it is due, the longest due first.
    pub fn choose(self, mut waiting: Vec<(DateTime<Utc>, Uuid)>) -> Chosen {
        // Of a later time there is another reminder.
        waiting.retain(|(at, key)| self.named.get(key).is_some_and(|named| *at - named <= APART));
        waiting.sort_unstable();
        let due = waiting.partition_point(|(at, _)| *at <= self.now);
        let left = waiting.split_off(due.min(self.limit));
        let more = self.more || due > self.limit;
        let due = waiting.into_iter().map(|(_, key)| key).collect();
        Chosen { due, more, now: self.now, left }
    }
}

impl Chosen {
    /// Reminds of all that still wait: of those of the `locked` ones that were leased until a time, of those that
    /// another transaction had in hand, and of those that were left.
    pub async fn remind(
        self,
        connection: &mut PgConnection,
        locked: &[Uuid],
        leased_until: Option<DateTime<Utc>>,
    ) -> sqlx::Result<()> {
        let mut again = self.left;
        let missed = missed(self.due, locked).into_iter();
        again.extend(missed.map(|key| (self.now + BUSY, key)));
        if let Some(until) = leased_until {
            again.extend(locked.iter().map(|key| (until, *key)));
        }
        remind(connection, again).await
    }
}

/// Those that were to be locked and were not. They are looked at again soon, whatever has become of them.
fn missed(due: Vec<Uuid>, locked: &[Uuid]) -> Vec<Uuid> {
    let mut missing: HashMap<Uuid, usize> = HashMap::new();
    for key in due {
        *missing.entry(key).or_default() += 1;
    }
    for key in locked {
        if let Some(times) = missing.get_mut(key) {
            *times = times.saturating_sub(1);
        }
    }
    missing.into_iter().filter(|(_, times)| *times > 0).map(|(key, _)| key).collect()
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

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(seconds, 0).unwrap()
    }

    fn taken(now: i64, limit: usize, named: &[(Uuid, i64)]) -> Taken {
        let named = named.iter().map(|(key, seconds)| (*key, at(*seconds))).collect();
        Taken { now: at(now), named, more: false, limit }
    }

    #[test]
    fn the_longest_due_is_chosen_first_and_nothing_is_forgotten() {
        let [a, b, c, d] = [1, 2, 3, 4].map(Uuid::from_u128);
        let named = [(a, 1), (b, 3), (c, 5), (d, 5)];
        let waiting = vec![(at(6), d), (at(5), c), (at(1), a), (at(3), b)];
        let Chosen { due, left, more, .. } = taken(5, 2, &named).choose(waiting.clone());
        assert_eq!((due, left, more), (vec![a, b], vec![(at(5), c), (at(6), d)], true));
        let Chosen { due, left, more, .. } = taken(5, 3, &named).choose(waiting);
        assert_eq!((due, left, more), (vec![a, b, c], vec![(at(6), d)], false));
    }

    #[test]
    fn the_reminder_of_an_old_time_is_passed_over() {
        let [a, b] = [1, 2].map(Uuid::from_u128);
        let waiting = vec![(at(60), a), (at(1), b)];
        let Chosen { due, left, .. } = taken(5, 9, &[(a, 1), (b, 1)]).choose(waiting);
        assert_eq!((due, left), (vec![b], vec![]), "of the time it has now there is another");
    }

    #[test]
    fn what_another_transaction_has_in_hand_is_looked_at_again() {
        let [a, b] = [1, 2].map(Uuid::from_u128);
        assert!(missed(vec![a, b], &[a, b]).is_empty());
        assert_eq!(missed(vec![a, b], &[a]), [b]);
        assert_eq!(missed(vec![a, a], &[a]), [a], "one of its two");
    }
}
