//! Reads every topic again from its beginning, with empty inboxes: nothing may come of it.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use contracts::topic::{Topic, topic_names};
use futures_util::future::try_join_all;
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use test_support::kafka::{committed, delete_group, ends};
use test_support::stack::{SERVICES, in_database};

use super::replicas::Replicas;
use crate::audit::{self, Breach, Violation};
use crate::database::DATABASE;
use crate::say;
use crate::stack::Stack;

/// How long it may take until the services have read some more.
const PATIENCE: Duration = Duration::from_mins(1);

/// Where each partition of a topic is.
type Offsets = BTreeMap<(String, i32), i64>;

/// Stops all services, makes them forget what they have read, starts them again, waits until they have read
/// everything, and returns the tables and topics that are not as they were.
pub async fn changes(stack: &Stack, replicas: &Replicas<'_>) -> Result<Vec<String>> {
    let brokers = &stack.description.kafka_brokers;
    let topics: Vec<&str> = Topic::ALL.iter().map(|topic| topic.name()).collect();
    for target in replicas.all() {
        ensure!(replicas.terminate(target).await, "{target} did not stop within 10 s");
    }
    let url = in_database(&stack.description.database_url, DATABASE);
    let mut connection = PgConnection::connect(&url).await?;
    let (tables, records) = (digests(&mut connection).await?, all_ends(brokers).await?);
    let mut read: BTreeMap<&str, Offsets> = BTreeMap::new();
    for service in SERVICES {
        read.insert(service, committed(brokers, service, &topics).await?);
        delete_group(brokers, service).await?;
        let forget = format!("TRUNCATE {service}.inbox");
        sqlx::raw_sql(AssertSqlSafe(forget)).execute(&mut connection).await?;
    }

    say("every topic is read again from its beginning, with empty inboxes");
    try_join_all(replicas.all().map(|target| replicas.start_again(target))).await?;
    let behind = audit::until_still(PATIENCE, async || {
        let mut behind = Vec::new();
        for (service, until) in &read {
            let now = committed(brokers, service, &topics).await?;
            behind.extend((now != *until).then(|| format!("{service} at {now:?}")));
        }
        let rule = "every service reads everything again";
        Ok(Violation::of(Breach::Unread, rule, behind).into_iter().collect())
    })
    .await?;
    ensure!(behind.is_empty(), "{}", behind[0]);

    let mut changes = Vec::new();
    for (table, digest) in digests(&mut connection).await? {
        let before = tables.get(&table).context("a table that was not there")?;
        if *before != digest {
            changes.push(format!("{table} has other rows ({before} before, {digest} now)"));
        }
    }
    for ((topic, partition), end) in all_ends(brokers).await? {
        let before = records.get(&(topic.clone(), partition)).copied().unwrap_or_default();
        if before != end {
            changes.push(format!("{topic} has {} new records", end - before));
        }
    }
    Ok(changes)
}

/// Where the topics end, those of dead letters included.
async fn all_ends(brokers: &str) -> Result<Offsets> {
    let topics = topic_names(SERVICES);
    let topics: Vec<&str> = topics.iter().map(String::as_str).collect();
    ends(brokers, &topics).await
}

/// What each table holds, but for those that only tell what was read, and what may have to be looked at: a count and
/// a sum over the rows. Auth hears of no events, and changes its keys by itself.
async fn digests(connection: &mut PgConnection) -> Result<BTreeMap<String, String>> {
    let tables: Vec<(String, String)> = sqlx::query_as(
        "SELECT schemaname::text, tablename::text FROM pg_tables
         WHERE schemaname = ANY($1) AND schemaname <> 'auth'
           AND tablename NOT IN ('inbox', 'reminders')",
    )
    .bind(SERVICES)
    .fetch_all(&mut *connection)
    .await?;
    let mut digests = BTreeMap::new();
    for (schema, table) in tables {
        let digest = format!(
            "SELECT count(*) || ' rows, ' || coalesce(sum(hashtextextended(t::text, 0)::numeric), 0)
             FROM {schema}.{table} t"
        );
        let digest: String =
            sqlx::query_scalar(AssertSqlSafe(digest)).fetch_one(&mut *connection).await?;
        digests.insert(format!("{schema}.{table}"), digest);
    }
    Ok(digests)
}
