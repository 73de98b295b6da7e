use std::{
    borrow::Cow,
    time::{Duration, Instant},
};

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use chrono::{DateTime, Utc};
use contracts::{envelope::Headers, trace::TraceContext};
use serde::de::Error as _;
use sqlx::{Connection as _, FromRow, PgConnection};
use tokio_util::sync::CancellationToken;

use crate::{
    backoff::Backoff,
    batch::as_metric,
    deadline::in_time,
    error::{MessagingError, chain},
    inbox,
    kafka::KafkaConfig,
    outbox::Outbox,
    pack::{LetterCopy, Packed, unpack},
    producer::{Header, Outgoing, Producer},
    steps,
};

/// Packs published and deleted together, at the most, and their bytes, which the last one may exceed.
const MAX_BATCH: u32 = 256;
const MAX_BATCH_BYTES: u32 = 4 * 1024 * 1024;
/// How long a leader that nobody wakes waits before it looks for rows of other replicas, and deletes what it has
/// published.
const POLL: Duration = Duration::from_millis(100);
/// How long a replica waits before it asks again to become the leader.
const STANDBY: Duration = Duration::from_secs(1);
const PRUNE_EVERY: Duration = Duration::from_mins(10);
/// How long a relay that was told to stop waits for the brokers.
const LAST_BATCH: Duration = Duration::from_secs(3);
const SLOW_BROKER: Duration = Duration::from_secs(10);
const TELL_AGE_EVERY: Duration = Duration::from_secs(1);
const TELL_ROWS_EVERY: Duration = Duration::from_secs(5);

/// Publishes a service's outbox, in order.
///
/// One leader a service, by an advisory lock on the connection that also reads and deletes the rows: a
/// replica that lost its lock has lost its connection, and can delete nothing. What it still had on its
/// way to the brokers is published twice, which consumers see by the event's id.
#[derive(Debug)]
pub struct Relay {
    outbox: Outbox,
    kafka: KafkaConfig,
    /// The `ce_source` of all events.
    source: String,
}

#[derive(Debug, FromRow)]
struct Row {
    id: i64,
    recorded_at: DateTime<Utc>,
    pack: Vec<u8>,
    age_seconds: f64,
}

#[derive(Debug, thiserror::Error)]
enum Interrupted {
    #[error("the database failed")]
    Database(#[from] sqlx::Error),
    #[error("the pack {id} in the outbox cannot be read; what is behind it waits")]
    Pack {
        id: i64,
        #[source]
        cause: serde_json::Error,
    },
    #[error("the brokers did not take the records")]
    Kafka(#[from] rdkafka::error::KafkaError),
    #[error(transparent)]
    Client(#[from] MessagingError),
}

impl Relay {
    /// A relay for the rows of `outbox`.
    pub fn new(kafka: KafkaConfig, outbox: Outbox) -> Self {
        let source = format!("/boutique/{}", outbox.service());
        Self { outbox, kafka, source }
    }

    /// Publishes whenever this replica is the leader, until `shutdown`; a batch on its way then is
    /// given three seconds to arrive. Failures of either store are waited out.
    pub async fn run(self, shutdown: CancellationToken) -> Result<(), MessagingError> {
        let service = self.outbox.service();
        let mut backoff = Backoff::default();
        while !shutdown.is_cancelled() {
            let error = tokio::select! {
                result = self.lead(&mut backoff, &shutdown) => match result {
                    Ok(()) => break,
                    Err(error) => error,
                },
                () = given_up(&shutdown) => break,
            };
            no_leader();
            let wait = backoff.next();
            tracing::warn!(service, errors = ?chain(&error), ?wait, "relay interrupted; trying again");
            tokio::select! {
                () = shutdown.cancelled() => {}
                () = tokio::time::sleep(wait) => {}
            }
        }
        no_leader();
        Ok(())
    }

    async fn lead(
        &self,
        backoff: &mut Backoff,
        shutdown: &CancellationToken,
    ) -> Result<(), Interrupted> {
        let mut connection = in_time(self.connect()).await?;
        tokio::select! {
            leads = become_leader(&mut connection) => leads?,
            () = shutdown.cancelled() => return Ok(()),
        }
        metrics::gauge!("outbox_relay_leader").set(1.0);
        tracing::info!(service = self.outbox.service(), "relay leads");
        // A producer of this leadership alone: what an earlier one still had queued must not follow.
        let mut producer = Leading::new(Producer::new(&self.kafka, self.outbox.service())?);
        let mut pruned = Instant::now();
        let mut told: Option<Instant> = None;
        let mut published: Vec<i64> = Vec::new();
        let mut woken = false;
        loop {
            let rows = in_time(next_rows(&mut connection, &published)).await?;
            if !published.is_empty() {
                published.clear();
                backoff.reset();
            }
            if told.is_none_or(|told| told.elapsed() > TELL_ROWS_EVERY) {
                tell_rows(&mut connection).await;
                told = Some(Instant::now());
            }
            if pruned.elapsed() > PRUNE_EVERY && in_time(inbox::prune(&mut connection)).await? {
                pruned = Instant::now();
            }
            let age = rows.first().map_or(0.0, |row| row.age_seconds);
            tell_oldest_age(age);
            if !rows.is_empty() {
                self.publish(&mut producer, &rows, age, &mut connection).await?;
                published.extend(rows.iter().map(|row| row.id));
            }
            // Rows that nobody told of may be another replica's, which may have more by now. Those that come while this
            // replica's own are published wait for its next commit or poll.
            let may_be_more = fills_a_batch(&rows) || !(woken || rows.is_empty());
            woken = false;
            if may_be_more {
                continue;
            }
            // What was published is deleted with the statement that reads what is next: where commits follow each
            // other, one statement for each.
            tokio::select! {
                // What was committed before the end is published.
                biased;
                () = self.outbox.committed() => woken = true,
                () = shutdown.cancelled() => if published.is_empty() { return Ok(()) },
                () = tokio::time::sleep(POLL) => {}
            }
        }
    }

    async fn publish(
        &self,
        producer: &mut Leading,
        rows: &[Row],
        age: f64,
        lock: &mut PgConnection,
    ) -> Result<(), Interrupted> {
        let mut records = Vec::new();
        for Row { id, recorded_at, pack, .. } in rows {
            let unreadable = |cause| Interrupted::Pack { id: *id, cause };
            for packed in unpack(pack).map_err(unreadable)? {
                records.push(self.record(packed, *recorded_at).map_err(unreadable)?);
            }
        }
        let started = Instant::now();
        producer.publish(&records, age, lock).await?;
        let links = records.iter().filter_map(|record| record.trace).collect();
        steps::sent(self.outbox.service(), started, records.len(), links);
        metrics::counter!("outbox_published_total").increment(records.len() as u64);
        metrics::histogram!("relay_batch_records").record(as_metric(records.len()));
        Ok(())
    }

    /// A connection outside the pool: the lock lives as long as it does.
    async fn connect(&self) -> sqlx::Result<PgConnection> {
        let options = self.outbox.pool().connect_options();
        // Nothing is lost with a deletion that a crash undoes: its rows are published again, under the
        // same ids. So it need not wait for the disk.
        // The server has to notice soon when this replica vanishes without a word, or its lock would
        // keep the others from leading for hours.
        let options = options.as_ref().clone().options([
            ("synchronous_commit", "off"),
            ("tcp_keepalives_idle", "5"),
            ("tcp_keepalives_interval", "5"),
            ("tcp_keepalives_count", "3"),
            // What was sent and not acknowledged keeps the probes above from being sent.
            ("tcp_user_timeout", "20000"),
        ]);
        PgConnection::connect_with(&options).await
    }

    fn record<'p>(
        &self,
        packed: Packed<'p>,
        time: DateTime<Utc>,
    ) -> serde_json::Result<Outgoing<'p>> {
        let topic = self.kafka.topic_name(&packed.topic);
        if let Some(LetterCopy { headers, payload }) = packed.copy {
            let payload = BASE64.decode(payload).map_err(serde_json::Error::custom)?;
            let headers = headers.into_iter().map(|(name, value)| (name.into(), value.into()));
            let headers = headers.collect();
            let (key, payload, trace) = (packed.key, payload.into(), None);
            return Ok(Outgoing { topic, key, time, headers, payload, trace });
        }
        // Of a newer version, perhaps. Published without a body it would be lost.
        let event = packed.event.ok_or_else(|| serde_json::Error::custom("no body is known"))?;
        let trace = TraceContext::parse(&packed.traceparent).unwrap_or_else(|_| crate::new_trace());
        let headers = self.headers(&packed, trace, time);
        let payload = event.get().as_bytes().into();
        let trace = spans::records(&trace).then_some(trace);
        Ok(Outgoing { topic, key: packed.key, time, headers, payload, trace })
    }

    fn headers<'p>(
        &self,
        packed: &Packed<'p>,
        trace: TraceContext,
        time: DateTime<Utc>,
    ) -> Vec<Header<'p>> {
        let headers = Headers {
            id: packed.id,
            topic: &packed.topic,
            event_type: &packed.event_type,
            source: &self.source,
            time,
            subject: &packed.key,
            trace,
            correlation_id: &packed.key,
        };
        let owned = |(name, value): (&'static str, Cow<str>)| {
            (Cow::Borrowed(name), Cow::Owned(value.into_owned()))
        };
        headers.list().map(owned).into()
    }
}

/// Waits until no other replica leads.
async fn become_leader(connection: &mut PgConnection) -> sqlx::Result<()> {
    loop {
        let asking = sqlx::query_scalar(
            "SELECT pg_try_advisory_lock(hashtextextended('outbox-relay:' || current_schema(), 0))",
        )
        .fetch_one(&mut *connection);
        if in_time(asking).await? {
            return Ok(());
        }
        tell_oldest_age(0.0);
        tokio::time::sleep(STANDBY).await;
    }
}

/// Resolves when a relay that was told to stop has had its time.
async fn given_up(shutdown: &CancellationToken) {
    shutdown.cancelled().await;
    tokio::time::sleep(LAST_BATCH).await;
}

fn no_leader() {
    metrics::gauge!("outbox_relay_leader").set(0.0);
    metrics::gauge!("outbox_rows").set(0.0);
}

/// Only the leader tells it; another replica's rows are not this one's to complain of.
fn tell_oldest_age(seconds: f64) {
    metrics::gauge!("outbox_oldest_row_age_seconds").set(seconds);
}

/// Of this one, too, only the leader tells. Up to a number that says enough, so that it costs no more the longer the
/// brokers are away; and no figure is worth the leadership.
async fn tell_rows(connection: &mut PgConnection) {
    let counting = sqlx::query_scalar(
        "SELECT count(*)::float8 FROM (SELECT FROM outbox LIMIT 100000) AS counted",
    )
    .fetch_one(connection);
    match in_time(counting).await {
        Ok(rows) => {
            let rows: f64 = rows;
            metrics::gauge!("outbox_rows").set(rows);
        }
        Err(error) => {
            let error: sqlx::Error = error;
            tracing::warn!(%error, "rows of the outbox not counted");
        }
    }
}

/// Whether the statement that read these may have left some that it saw.
fn fills_a_batch(rows: &[Row]) -> bool {
    let bytes: usize = rows.iter().map(|row| row.pack.len()).sum();
    rows.len() >= MAX_BATCH as usize || bytes >= MAX_BATCH_BYTES as usize
}

/// Deletes what was published, and reads what is next.
async fn next_rows(connection: &mut PgConnection, published: &[i64]) -> sqlx::Result<Vec<Row>> {
    // From the start each time, never after a last id: ids are not committed in their order. The rows are read as
    // they were before the statement, so those it deletes are passed over.
    sqlx::query_as(
        "WITH deleted AS (DELETE FROM outbox WHERE id = ANY($1))
         SELECT id, recorded_at, pack,
                extract(epoch FROM clock_timestamp() - recorded_at)::float8 AS age_seconds
         FROM (SELECT *, sum(octet_length(pack)) OVER (ORDER BY id) - octet_length(pack) AS before
               FROM (SELECT * FROM outbox WHERE id NOT IN (SELECT UNNEST($1))
                     ORDER BY id LIMIT $2) AS oldest) AS summed
         WHERE before < $3 ORDER BY id",
    )
    .bind(published)
    .bind(i64::from(MAX_BATCH))
    .bind(i64::from(MAX_BATCH_BYTES))
    .fetch_all(connection)
    .await
}

/// A leader's producer. Dropping a producer waits for librdkafka's threads, so that happens elsewhere.
struct Leading(Option<Producer>);

impl Leading {
    fn new(producer: Producer) -> Self {
        Self(Some(producer))
    }

    /// `age` is that of the oldest record, in seconds; `lock` is the connection that leadership lives on.
    async fn publish(
        &mut self,
        records: &[Outgoing<'_>],
        age: f64,
        lock: &mut PgConnection,
    ) -> Result<(), Interrupted> {
        let Some(producer) = &self.0 else {
            return Ok(());
        };
        let publishing = producer.publish(records);
        tokio::pin!(publishing);
        let started = Instant::now();
        let mut warn_after = SLOW_BROKER;
        loop {
            tokio::select! {
                biased;
                result = &mut publishing => return Ok(result?),
                () = producer.stranded() => return Err(MessagingError::Stranded.into()),
                () = tokio::time::sleep(TELL_AGE_EVERY) => {
                    tell_oldest_age(age + started.elapsed().as_secs_f64());
                    // Without it another replica leads, and publishes these records.
                    in_time(lock.ping()).await?;
                    tell_rows(lock).await;
                }
            }
            if started.elapsed() > warn_after {
                tracing::warn!(records = records.len(), "waiting for the brokers; nothing is lost");
                warn_after += SLOW_BROKER;
            }
        }
    }
}

impl Drop for Leading {
    fn drop(&mut self) {
        if let Some(producer) = self.0.take() {
            tokio::task::spawn_blocking(move || drop(producer));
        }
    }
}
