//! Reminders against Postgres: none is lost, and they do not multiply.

use chrono::{TimeDelta, Utc};
use messaging::reminders::{remind, take};
use uuid::Uuid;

use crate::world::World;

const ROWS: usize = 150;
const STEP: TimeDelta = TimeDelta::seconds(10);

/// As with a provider that is away: each row is leased and looked at again, and no attempt gets anywhere.
#[tokio::test]
async fn a_row_that_is_tried_again_and_again_is_named_about_once() {
    let world = World::new().await;
    sqlx::raw_sql("CREATE TABLE waiting (key uuid PRIMARY KEY, due_at timestamptz NOT NULL)")
        .execute(&world.pool)
        .await
        .unwrap();
    // All of it lies in the past, so that whatever is reminded of is due at once.
    let mut at = Utc::now() - TimeDelta::days(1);
    let keys: Vec<Uuid> = (0..ROWS).map(|_| Uuid::now_v7()).collect();
    sqlx::query("INSERT INTO waiting SELECT key, $2 FROM UNNEST($1::uuid[]) AS key")
        .bind(&keys)
        .bind(at)
        .execute(&world.pool)
        .await
        .unwrap();
    let mut connection = world.pool.acquire().await.unwrap();
    remind(&mut connection, keys.iter().map(|key| (at, *key)).collect()).await.unwrap();

    let mut attempts = 0;
    for _ in 0..40 {
        let taken = take(&mut connection, ROWS).await.unwrap();
        let waiting = sqlx::query_as("SELECT due_at, key FROM waiting WHERE key = ANY($1)")
            .bind(taken.keys())
            .fetch_all(&mut *connection)
            .await
            .unwrap();
        let chosen = taken.choose(waiting);
        let leased = chosen.due.clone();
        attempts += leased.len();
        at += STEP;
        chosen.remind(&mut connection, &leased, Some(at)).await.unwrap();
        at += STEP;
        sqlx::query("UPDATE waiting SET due_at = $2 WHERE key = ANY($1)")
            .bind(&leased)
            .bind(at)
            .execute(&mut *connection)
            .await
            .unwrap();
        remind(&mut connection, leased.into_iter().map(|key| (at, key)).collect()).await.unwrap();
    }

    let named: i64 = sqlx::query_scalar("SELECT sum(cardinality(keys)) FROM reminders")
        .fetch_one(&world.pool)
        .await
        .unwrap();
    let named = usize::try_from(named).unwrap();
    assert!(attempts > 5 * ROWS, "{attempts} attempts");
    assert!((ROWS..=3 * ROWS).contains(&named), "{named} names of {ROWS} rows");
    let lost: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM waiting w WHERE NOT EXISTS (
             SELECT FROM reminders r
             WHERE w.key = ANY(r.keys) AND r.due_at BETWEEN w.due_at - interval '1 s' AND w.due_at)",
    )
    .fetch_one(&world.pool)
    .await
    .unwrap();
    assert_eq!(lost, 0, "rows that nobody would look at again");
}
