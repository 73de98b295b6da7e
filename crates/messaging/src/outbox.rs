use std::sync::Arc;
use std::time::Instant;

use chrono::{DateTime, TimeDelta, Utc};
use contracts::{events::Event, trace::TraceContext};
use sqlx::{Connection as _, PgConnection, PgPool, Postgres, Transaction};
use tokio::sync::Notify;
use uuid::Uuid;

use crate::record::child_span;

/// The largest body an event may have, in bytes. Brokers take 1 MiB a record by default, headers
/// included; a row that no broker accepts would stop the relay for ever.
pub(crate) const MAX_PAYLOAD: usize = 900_000;

/// An event that cannot be published.
#[derive(Debug, thiserror::Error)]
#[error("the {event_type} of {key} is {size} bytes long; {MAX_PAYLOAD} is the most")]
pub struct PublishError {
    event_type: &'static str,
    key: String,
    size: usize,
}

/// A service's outbox: where its transactions begin. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Outbox {
    pool: PgPool,
    service: &'static str,
    committed: Arc<Notify>,
}

impl Outbox {
    /// `service` names the producer in each event's `ce_source` and its dead letter topic.
    pub fn new(pool: PgPool, service: &'static str) -> Self {
        Self { pool, service, committed: Arc::new(Notify::new()) }
    }

    /// Begins a transaction that can change state and publish events together.
    pub async fn begin(&self) -> sqlx::Result<Tx> {
        let mut inner = self.pool.begin().await?;
        let now = sqlx::query_scalar("SELECT now()").fetch_one(&mut *inner).await?;
        Ok(self.tx(inner, now))
    }

    pub(crate) fn tx(&self, inner: Transaction<'static, Postgres>, now: DateTime<Utc>) -> Tx {
        Tx {
            inner,
            now,
            begun: Instant::now(),
            outbox: self.clone(),
            rows: Vec::new(),
            publishes: false,
            after_commit: AfterCommit::default(),
        }
    }

    /// The pool the transactions are taken from.
    pub fn pool(&self) -> &PgPool {
        &self.pool
    }

    /// The name of the service whose outbox this is.
    pub fn service(&self) -> &'static str {
        self.service
    }

    /// Resolves after a commit of this process has left rows for the relay.
    pub(crate) async fn committed(&self) {
        self.committed.notified().await;
    }
}

/// A database transaction whose events are written with it and published after it.
///
/// Dropped without [`Tx::commit`], it rolls back and its events were never there.
#[derive(Debug)]
pub struct Tx {
    inner: Transaction<'static, Postgres>,
    now: DateTime<Utc>,
    /// When `now` was asked for.
    begun: Instant,
    outbox: Outbox,
    /// Not written yet.
    rows: Vec<Row>,
    /// Whether any were written.
    publishes: bool,
    after_commit: AfterCommit,
}

/// What is done once the transaction is committed, in order.
#[derive(Default)]
struct AfterCommit(Vec<Box<dyn FnOnce() + Send>>);

impl std::fmt::Debug for AfterCommit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} to do", self.0.len())
    }
}

#[derive(Debug)]
struct Row {
    event_id: Uuid,
    topic: String,
    key: String,
    event_type: String,
    traceparent: String,
    payload: Vec<u8>,
    headers: Option<serde_json::Value>,
}

/// What a savepoint returns to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Savepoint {
    after_commit: usize,
}

impl Tx {
    /// The connection, for statements inside this transaction.
    pub fn conn(&mut self) -> &mut PgConnection {
        &mut self.inner
    }

    /// The time of this transaction by the database's clock, the one clock all replicas share.
    pub fn now(&self) -> DateTime<Utc> {
        self.now
    }

    /// How long ago that was.
    pub fn age(&self) -> TimeDelta {
        TimeDelta::from_std(self.begun.elapsed()).unwrap_or_default()
    }

    /// Queues an event to be written when this transaction commits. `trace` is that of the cause.
    pub fn publish(
        &mut self,
        event: impl Into<Event>,
        trace: &TraceContext,
    ) -> Result<(), PublishError> {
        let event = event.into();
        let event_type = event.event_type();
        let row = Row {
            event_id: Uuid::now_v7(),
            topic: event.topic().name().to_owned(),
            key: event.key(),
            event_type: event_type.name().to_owned(),
            traceparent: child_span(*trace).to_string(),
            payload: event.to_json(),
            headers: None,
        };
        if row.payload.len() > MAX_PAYLOAD {
            let (event_type, key, size) = (event_type.name(), row.key, row.payload.len());
            return Err(PublishError { event_type, key, size });
        }
        self.rows.push(row);
        Ok(())
    }

    /// Queues a record with headers of its own, as dead letters have.
    pub(crate) fn publish_raw(
        &mut self,
        topic: String,
        key: String,
        event_type: String,
        payload: Vec<u8>,
        headers: serde_json::Value,
    ) {
        self.rows.push(Row {
            event_id: Uuid::now_v7(),
            topic,
            key,
            event_type,
            traceparent: String::new(),
            payload,
            headers: Some(headers),
        });
    }

    /// Calls `tell` once this transaction is committed, to tell a task of this process. Not called where
    /// the transaction is rolled back, or the process ends right behind the commit.
    pub fn after_commit(&mut self, tell: impl FnOnce() + Send + 'static) {
        self.after_commit.0.push(Box::new(tell));
    }

    /// Writes the queued events, commits, and wakes the relay.
    pub async fn commit(mut self) -> sqlx::Result<()> {
        if self.rows.is_empty() {
            // Postgres ends a transaction in which a statement failed by a rollback, and does not call
            // that an error: whoever passed over the failure would take everything for committed.
            sqlx::raw_sql("SELECT").execute(&mut *self.inner).await?;
        }
        self.write_rows().await?;
        self.inner.commit().await?;
        if self.publishes {
            self.outbox.committed.notify_one();
        }
        for tell in self.after_commit.0 {
            tell();
        }
        Ok(())
    }

    async fn write_rows(&mut self) -> sqlx::Result<()> {
        if !self.rows.is_empty() {
            insert(&mut self.inner, &self.rows).await?;
            self.rows.clear();
            self.publishes = true;
        }
        Ok(())
    }

    pub(crate) async fn savepoint(&mut self) -> sqlx::Result<Savepoint> {
        self.write_rows().await?;
        sqlx::query("SAVEPOINT bisect").execute(&mut *self.inner).await?;
        Ok(Savepoint { after_commit: self.after_commit.0.len() })
    }

    pub(crate) async fn rollback_to(&mut self, savepoint: Savepoint) -> sqlx::Result<()> {
        self.rows.clear();
        self.after_commit.0.truncate(savepoint.after_commit);
        sqlx::query("ROLLBACK TO SAVEPOINT bisect").execute(&mut *self.inner).await?;
        self.release().await
    }

    /// Writes the events queued since the savepoint, so that what cannot be written fails here.
    pub(crate) async fn release(&mut self) -> sqlx::Result<()> {
        self.write_rows().await?;
        sqlx::query("RELEASE SAVEPOINT bisect").execute(&mut *self.inner).await?;
        Ok(())
    }

    pub(crate) fn service(&self) -> &'static str {
        self.outbox.service
    }

    /// Whether the connection still answers; a handler that panicked may have left it half way.
    pub(crate) async fn ping(&mut self) -> sqlx::Result<()> {
        self.inner.ping().await
    }
}

async fn insert(connection: &mut PgConnection, rows: &[Row]) -> sqlx::Result<()> {
    let mut event_ids = Vec::with_capacity(rows.len());
    let mut topics = Vec::with_capacity(rows.len());
    let mut keys = Vec::with_capacity(rows.len());
    let mut event_types = Vec::with_capacity(rows.len());
    let mut traceparents = Vec::with_capacity(rows.len());
    let mut payloads = Vec::with_capacity(rows.len());
    let mut headers = Vec::with_capacity(rows.len());
    for row in rows {
        event_ids.push(row.event_id);
        topics.push(row.topic.as_str());
        keys.push(row.key.as_str());
        event_types.push(row.event_type.as_str());
        traceparents.push(row.traceparent.as_str());
        payloads.push(row.payload.as_slice());
        headers.push(row.headers.as_ref());
    }
    // Ids are given in the order of the arrays: WITH ORDINALITY and ORDER BY make that a promise.
    sqlx::query(
        "INSERT INTO outbox (event_id, topic, key, event_type, traceparent, occurred_at, payload, headers)
         SELECT event_id, topic, key, event_type, traceparent, now(), payload, headers
         FROM UNNEST($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::bytea[], $7::jsonb[])
              WITH ORDINALITY AS row (event_id, topic, key, event_type, traceparent, payload, headers, position)
         ORDER BY position",
    )
    .bind(event_ids)
    .bind(topics)
    .bind(keys)
    .bind(event_types)
    .bind(traceparents)
    .bind(payloads)
    .bind(headers)
    .execute(connection)
    .await?;
    Ok(())
}
