use std::sync::Arc;
use std::time::Instant;

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use chrono::{DateTime, TimeDelta, Utc};
use contracts::{events::Event, trace::TraceContext};
use sqlx::{Connection as _, PgConnection, PgPool, Postgres, Transaction};
use tokio::sync::Notify;
use uuid::Uuid;

use crate::{
    pack::{Head, LetterCopy, Packs},
    steps,
};

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
            packs: Packs::default(),
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
    packs: Packs,
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
        let (event_type, key, payload) = (event.event_type().name(), event.key(), event.to_json());
        if payload.len() > MAX_PAYLOAD {
            return Err(PublishError { event_type, key, size: payload.len() });
        }
        let (id, topic, context) = (Uuid::now_v7(), event.topic().name(), spans::next(*trace));
        let traceparent = &context.to_string();
        self.packs.event(&Head { id, topic, key: &key, event_type, traceparent }, &payload);
        if spans::records(&context) {
            let step = steps::published(topic, event_type, key, id, context, trace.span_id);
            self.after_commit(move || spans::tell(step));
        }
        Ok(())
    }

    /// Queues the copy of a dead letter, which has headers of its own.
    pub(crate) fn publish_copy(
        &mut self,
        topic: &str,
        key: &str,
        event_type: &str,
        payload: &[u8],
        headers: Vec<(String, String)>,
    ) {
        let head = Head { id: Uuid::now_v7(), topic, key, event_type, traceparent: "" };
        self.packs.copy(&head, &LetterCopy { headers, payload: BASE64.encode(payload) });
    }

    /// Calls `tell` once this transaction is committed, to tell a task of this process. Not called where
    /// the transaction is rolled back, nor where the process ends, or the commit is not waited for to its end,
    /// although it may have been made.
    pub fn after_commit(&mut self, tell: impl FnOnce() + Send + 'static) {
        self.after_commit.0.push(Box::new(tell));
    }

    /// Writes the queued events, commits, and wakes the relay.
    pub async fn commit(mut self) -> sqlx::Result<()> {
        if self.packs.is_empty() {
            // Postgres ends a transaction in which a statement failed by a rollback, and does not call
            // that an error: whoever passed over the failure would take everything for committed.
            sqlx::raw_sql("SELECT").execute(&mut *self.inner).await?;
        }
        self.write_packs().await?;
        self.inner.commit().await?;
        if self.publishes {
            self.outbox.committed.notify_one();
        }
        for tell in self.after_commit.0 {
            tell();
        }
        Ok(())
    }

    async fn write_packs(&mut self) -> sqlx::Result<()> {
        if self.packs.is_empty() {
            return Ok(());
        }
        let (packs, records) = self.packs.take();
        // Ids are given in the order of the arrays: WITH ORDINALITY and ORDER BY make that a promise.
        sqlx::query(
            "INSERT INTO outbox (recorded_at, records, pack)
             SELECT now(), records, pack
             FROM UNNEST($1::int[], $2::bytea[]) WITH ORDINALITY AS row (records, pack, position)
             ORDER BY position",
        )
        .bind(records)
        .bind(packs)
        .execute(&mut *self.inner)
        .await?;
        self.publishes = true;
        Ok(())
    }

    pub(crate) async fn savepoint(&mut self) -> sqlx::Result<Savepoint> {
        self.write_packs().await?;
        sqlx::query("SAVEPOINT bisect").execute(&mut *self.inner).await?;
        Ok(Savepoint { after_commit: self.after_commit.0.len() })
    }

    pub(crate) async fn rollback_to(&mut self, savepoint: Savepoint) -> sqlx::Result<()> {
        self.packs.clear();
        self.after_commit.0.truncate(savepoint.after_commit);
        sqlx::query("ROLLBACK TO SAVEPOINT bisect").execute(&mut *self.inner).await?;
        self.release().await
    }

    /// Writes the events queued since the savepoint, so that what cannot be written fails here.
    pub(crate) async fn release(&mut self) -> sqlx::Result<()> {
        self.write_packs().await?;
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
