//! Publishes batches and waits for the acknowledgement of each as a whole.

use std::borrow::Cow;
use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};
use std::thread;
use std::time::Duration;

use chrono::{DateTime, Utc};
use contracts::trace::TraceContext;
use rdkafka::{
    ClientContext,
    error::KafkaError,
    message::{self, DeliveryResult, OwnedHeaders},
    producer::{BaseProducer, BaseRecord, Producer as _, ProducerContext, PurgeConfig},
    statistics::Statistics,
};
use tokio::sync::Notify;

use crate::{error::MessagingError, kafka::KafkaConfig, stranded::Stranding};

/// Name and value.
pub(crate) type Header<'p> = (Cow<'p, str>, Cow<'p, str>);

/// One record to publish.
pub(crate) struct Outgoing<'p> {
    /// With the installation's prefix.
    pub(crate) topic: String,
    pub(crate) key: Cow<'p, str>,
    /// When it happened. Brokers refuse records from more than an hour ahead and delete old ones, so this is
    /// not left to the clock of the process.
    pub(crate) time: DateTime<Utc>,
    pub(crate) headers: Vec<Header<'p>>,
    pub(crate) payload: Cow<'p, [u8]>,
    /// Its place in a trace that is recorded.
    pub(crate) trace: Option<TraceContext>,
}

/// Counts down the records of a batch that were not yet acknowledged.
///
/// One counter for all costs half of what a future a record does.
struct Batch {
    unacknowledged: AtomicUsize,
    failure: Mutex<Option<KafkaError>>,
    done: Notify,
}

impl Batch {
    fn finish(&self, records: usize, error: Option<KafkaError>) {
        if let Some(error) = error {
            let mut failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
            failure.get_or_insert(error);
        }
        if self.unacknowledged.fetch_sub(records, Ordering::AcqRel) == records {
            self.done.notify_one();
        }
    }
}

#[derive(Default)]
struct Context {
    stranding: Stranding,
}

impl ClientContext for Context {
    fn error(&self, error: KafkaError, reason: &str) {
        tracing::warn!(%error, reason, "Kafka client");
    }

    fn stats(&self, statistics: Statistics) {
        self.stranding.look(&statistics);
    }
}

impl ProducerContext for Context {
    type DeliveryOpaque = Arc<Batch>;

    fn delivery(&self, result: &DeliveryResult<'_>, batch: Arc<Batch>) {
        batch.finish(1, result.as_ref().err().map(|(error, _)| error.clone()));
    }
}

/// How long the thread that takes up acknowledgements polls at a time. Each is taken up at once, but `poll` returns only
/// when its time is over, and spends the last millisecond in a busy loop, since librdkafka counts in whole ones. rdkafka's own
/// thread (`ThreadedProducer`, version 0.39) polls for a tenth of a second: two fifths of what an idle service cost.
const POLL: Duration = Duration::from_secs(1);

/// A client that publishes, and a thread of its own that takes up what the brokers acknowledge.
///
/// Dropping it waits for librdkafka's threads to let go of what they have.
pub(crate) struct Producer {
    client: Arc<BaseProducer<Context>>,
    is_dropped: Arc<AtomicBool>,
}

impl Producer {
    pub(crate) fn new(kafka: &KafkaConfig, service: &str) -> Result<Self, MessagingError> {
        let client: BaseProducer<Context> =
            kafka.producer(service).create_with_context(Context::default())?;
        let producer = Self { client: Arc::new(client), is_dropped: Arc::default() };
        let (client, is_dropped) = (Arc::clone(&producer.client), Arc::clone(&producer.is_dropped));
        let take_up = move || {
            while !is_dropped.load(Ordering::Relaxed) {
                client.poll(POLL);
            }
        };
        thread::Builder::new()
            .name("acknowledged".to_owned())
            .spawn(take_up)
            .map_err(MessagingError::Thread)?;
        Ok(producer)
    }

    /// Publishes records in order and returns once the brokers have acknowledged all of them, however
    /// long that takes. After an error some may have been published; a producer that failed must be
    /// dropped, so that nothing of its queue is sent later.
    ///
    /// The batch must be smaller than the producer's queue (100,000 records).
    pub(crate) async fn publish(&self, records: &[Outgoing<'_>]) -> Result<(), KafkaError> {
        let batch = Arc::new(Batch {
            unacknowledged: AtomicUsize::new(records.len()),
            failure: Mutex::default(),
            done: Notify::new(),
        });
        for (position, outgoing) in records.iter().enumerate() {
            let mut headers = OwnedHeaders::new_with_capacity(outgoing.headers.len());
            for (key, value) in &outgoing.headers {
                headers = headers.insert(message::Header { key, value: Some(&**value) });
            }
            let record = BaseRecord::with_opaque_to(&outgoing.topic, Arc::clone(&batch))
                .key(&*outgoing.key)
                .payload(&*outgoing.payload)
                .timestamp(outgoing.time.timestamp_millis())
                .headers(headers);
            if let Err((error, _)) = self.client.send(record) {
                batch.finish(records.len() - position, Some(error));
                break;
            }
        }
        if !records.is_empty() {
            batch.done.notified().await;
        }
        let failure = batch.failure.lock().unwrap_or_else(PoisonError::into_inner).take();
        failure.map_or(Ok(()), Err)
    }

    /// Resolves once the client knows no broker any more, and so will acknowledge nothing.
    pub(crate) async fn stranded(&self) {
        self.client.context().stranding.noticed().await;
    }
}

impl Drop for Producer {
    fn drop(&mut self) {
        self.is_dropped.store(true, Ordering::Relaxed);
        // The thread ends with its poll, and the client with it; until then nothing of its queue is sent.
        self.client.purge(PurgeConfig::default().queue().inflight());
    }
}
