//! Reads records of a group's partitions in batches.

use std::{
    collections::HashMap,
    mem,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use contracts::{events::EventType, topic::Topic};
use futures_util::{FutureExt as _, Stream, StreamExt as _};
use rdkafka::{
    ClientContext, Message as _, TopicPartitionList,
    consumer::{BaseConsumer, Consumer as _, ConsumerContext, Rebalance, StreamConsumer},
    error::{KafkaError, KafkaResult},
    message::BorrowedMessage,
    statistics::Statistics,
};

use tokio::time::{Instant, timeout_at};

use crate::{
    consumer::Handler,
    error::MessagingError,
    kafka::KafkaConfig,
    lag,
    record::{self, Decoded},
    stranded::Stranding,
};

/// The most events a batch has. Larger ones gained nothing in SQL and hold locks for longer.
const MAX_BATCH: usize = 500;

/// The most records a batch takes off the topics, with those that are nothing to this service.
const MAX_RECORDS: usize = 4 * MAX_BATCH;

/// Bodies of a batch may be this large together, and the last one larger.
const MAX_BATCH_BYTES: usize = 8 * 1024 * 1024;

/// How long records gather on whose effect nobody waits, for a handler to which no others come.
const LEISURE: Duration = Duration::from_millis(200);

/// How long they gather where urgent ones come as well. A busy handler takes them with its next urgent batch anyway;
/// an idle one is through with them before the next order comes.
const SHORT_LEISURE: Duration = Duration::from_millis(50);

/// How often a member whose batch takes long looks for rebalances.
const HOLD_INTERVAL: Duration = Duration::from_millis(200);

/// Notes what a rebalance took away, for the loop that polls to act upon.
pub(crate) struct GroupContext {
    revoked: Mutex<Vec<(String, i32)>>,
    topics: HashMap<String, Topic>,
    stranding: Stranding,
}

impl ClientContext for GroupContext {
    fn error(&self, error: KafkaError, reason: &str) {
        tracing::warn!(%error, reason, "Kafka client");
    }

    fn stats(&self, statistics: Statistics) {
        // One that is stranded is replaced, and what is read is for its successor to tell; where a batch keeps it from
        // being replaced, the batch's retries are what tells of it.
        if !self.stranding.look(&statistics) {
            lag::tell(&statistics, &self.topics);
        }
    }
}

impl ConsumerContext for GroupContext {
    fn pre_rebalance(&self, consumer: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        match rebalance {
            Rebalance::Assign(partitions) => {
                tracing::info!(partitions = partitions.count(), "partitions assigned");
            }
            Rebalance::Revoke(partitions) => {
                tracing::info!(partitions = partitions.count(), "partitions revoked");
                // A pause outlives the assignment: should the partition come back, it would stand still.
                if let Err(error) = consumer.resume(partitions) {
                    tracing::warn!(%error, "revoked partitions not resumed");
                }
                let mut revoked = self.revoked.lock().unwrap_or_else(PoisonError::into_inner);
                revoked.extend(
                    partitions.elements().iter().map(|p| (p.topic().to_owned(), p.partition())),
                );
            }
            Rebalance::Error(error) => tracing::warn!(%error, "rebalance failed"),
        }
    }

    fn commit_callback(&self, result: Result<(), KafkaError>, _: &TopicPartitionList) {
        // The next commit covers what this one would have; the inbox covers a crash before it.
        if let Err(error) = result {
            tracing::debug!(%error, "offset commit failed");
        }
    }
}

impl GroupContext {
    fn take_revoked(&self) -> Revoked {
        Revoked(mem::take(&mut *self.revoked.lock().unwrap_or_else(PoisonError::into_inner)))
    }
}

pub(crate) struct Poller {
    consumer: StreamConsumer<GroupContext>,
    topics: HashMap<String, Topic>,
    wants: &'static [EventType],
    /// Those on whose effect somebody waits.
    urgent: Vec<EventType>,
}

/// Records as they came, in order.
pub(crate) type Messages<'c> = Vec<BorrowedMessage<'c>>;

/// Records that were polled but not processed, in order, each read once.
#[derive(Default)]
pub(crate) struct Polled<'c> {
    pub(crate) messages: Messages<'c>,
    /// Beside each record, where it was read and what it turned out to be.
    pub(crate) decoded: Vec<(Topic, Decoded)>,
    /// How many of them are events to handle, or cannot be read.
    wanted: usize,
    /// How many of them are urgent.
    pub(crate) urgent: usize,
    /// Of all bodies together.
    bytes: usize,
}

impl Polled<'_> {
    fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    /// Whether a batch may grow.
    pub(crate) fn has_room(&self) -> bool {
        self.wanted < MAX_BATCH && self.messages.len() < MAX_RECORDS && self.bytes < MAX_BATCH_BYTES
    }
}

/// Partitions that a rebalance took away, by topic name.
#[derive(Debug)]
pub(crate) struct Revoked(Vec<(String, i32)>);

impl Revoked {
    pub(crate) fn holds(&self, message: &BorrowedMessage<'_>) -> bool {
        self.0.iter().any(|(t, p)| t == message.topic() && *p == message.partition())
    }
}

impl Poller {
    /// Joins the service's group. The topics are those of the types its handler handles.
    pub(crate) fn join<H: Handler>(
        kafka: &KafkaConfig,
        service: &str,
    ) -> Result<Self, MessagingError> {
        let wants = H::HANDLES;
        let urgent: Vec<_> = wants.iter().copied().filter(|t| !H::CAN_WAIT.contains(t)).collect();
        let topics: HashMap<_, _> =
            wants.iter().map(|t| (kafka.topic_name(t.topic().name()), t.topic())).collect();
        let consumer: StreamConsumer<GroupContext> = kafka
            .group_consumer(service, !urgent.is_empty())
            .create_with_context(GroupContext {
                revoked: Mutex::default(),
                topics: topics.clone(),
                stranding: Stranding::default(),
            })?;
        for topic in topics.values() {
            // Named before there is anything to count: the first would not be seen as an increase.
            metrics::counter!("unknown_events_total", "topic" => topic.name()).increment(0);
        }
        consumer.subscribe(&topics.keys().map(String::as_str).collect::<Vec<_>>())?;
        Ok(Self { consumer, topics, wants, urgent })
    }

    /// Waits for a record that is urgent, or for a while for one that is not, then takes what else is there
    /// already: a busy service gets large batches, an idle one waits for nobody. `carried` comes first.
    pub(crate) async fn next<'c>(
        &'c self,
        carried: Messages<'c>,
    ) -> Result<Polled<'c>, MessagingError> {
        let mut polled = Polled::default();
        for message in carried {
            self.add(message, &mut polled);
        }
        let mut records = self.consumer.stream();
        loop {
            if polled.is_empty() {
                let next = tokio::select! {
                    biased;
                    next = records.next() => next,
                    () = self.consumer.context().stranding.noticed() => {
                        return Err(MessagingError::Stranded);
                    }
                };
                self.take_up(next, &mut polled)?;
            }
            self.gather(&mut records, &mut polled).await?;
            while polled.has_room() {
                let Some(next) = records.next().now_or_never() else {
                    break;
                };
                self.take_up(next, &mut polled)?;
            }
            self.drop_revoked(&mut polled);
            if !polled.is_empty() {
                return Ok(polled);
            }
        }
    }

    /// Waits until one of the records is urgent or the batch is full, for a while at the most.
    async fn gather<'c>(
        &'c self,
        records: &mut (impl Stream<Item = KafkaResult<BorrowedMessage<'c>>> + Unpin),
        polled: &mut Polled<'c>,
    ) -> Result<(), MessagingError> {
        let until = Instant::now() + if self.urgent.is_empty() { LEISURE } else { SHORT_LEISURE };
        while polled.urgent == 0 && polled.has_room() {
            let Ok(next) = timeout_at(until, records.next()).await else {
                break;
            };
            self.take_up(next, polled)?;
        }
        Ok(())
    }

    /// Takes what was polled next, after what rebalances took away is dropped.
    fn take_up<'c>(
        &self,
        next: Option<KafkaResult<BorrowedMessage<'c>>>,
        polled: &mut Polled<'c>,
    ) -> Result<(), MessagingError> {
        // First, because the partition of the next record may have been taken away and given back.
        self.drop_revoked(polled);
        if let Some(message) = arrived(next)? {
            self.add(message, polled);
        }
        Ok(())
    }

    /// Reads a record.
    fn add<'c>(&self, message: BorrowedMessage<'c>, polled: &mut Polled<'c>) {
        // None but these topics were subscribed to.
        let Some(&topic) = self.topics.get(message.topic()) else {
            return;
        };
        let decoded = record::decode(&message, topic, self.wants);
        polled.wanted += usize::from(!matches!(decoded, Decoded::Unwanted));
        polled.urgent += usize::from(self.is_urgent(&decoded));
        polled.bytes += message.payload_len();
        polled.decoded.push((topic, decoded));
        polled.messages.push(message);
    }

    fn is_urgent(&self, decoded: &Decoded) -> bool {
        matches!(decoded, Decoded::Event(event) if self.urgent.contains(&event.event.event_type()))
    }

    /// What was polled before its partition was revoked belongs to another member now, which reads it
    /// again from the committed offset.
    fn drop_revoked(&self, polled: &mut Polled<'_>) {
        let revoked = self.consumer.context().take_revoked();
        if revoked.0.is_empty() {
            return;
        }
        let mut kept = Polled::default();
        for message in mem::take(polled).messages {
            if !revoked.holds(&message) {
                self.add(message, &mut kept);
            }
        }
        *polled = kept;
    }

    /// Stays a member of the group while a batch takes long: nothing is fetched, but rebalances are
    /// served. Returns when a partition of the batch was taken away; `extra` receives records that
    /// slipped through.
    pub(crate) async fn hold<'c>(
        &'c self,
        batch: &Messages<'_>,
        extra: &mut Messages<'c>,
    ) -> Result<Revoked, MessagingError> {
        let mut records = self.consumer.stream();
        loop {
            // Again in every round: a rebalance may have brought new partitions.
            self.consumer.pause(&self.consumer.assignment()?)?;
            let revoked = tokio::select! {
                next = records.next() => {
                    // First, because the record's partition may have been taken away and given back.
                    let revoked = self.forget_revoked(extra);
                    extra.extend(arrived(next)?);
                    revoked
                }
                () = tokio::time::sleep(HOLD_INTERVAL) => self.forget_revoked(extra),
            };
            if batch.iter().any(|message| revoked.holds(message)) {
                return Ok(revoked);
            }
        }
    }

    /// Ends what [`Poller::hold`] began.
    pub(crate) fn resume(&self) -> Result<(), MessagingError> {
        Ok(self.consumer.resume(&self.consumer.assignment()?)?)
    }

    fn forget_revoked(&self, extra: &mut Messages<'_>) -> Revoked {
        let revoked = self.consumer.context().take_revoked();
        extra.retain(|message| !revoked.holds(message));
        revoked
    }

    /// Marks the records as done; their offsets are committed in the background.
    pub(crate) fn done(&self, messages: &Messages<'_>) {
        let mut next: HashMap<(&str, i32), i64> = HashMap::new();
        for message in messages {
            next.insert((message.topic(), message.partition()), message.offset());
        }
        for ((topic, partition), offset) in next {
            // Fails where the partition was taken away meanwhile; its new member deduplicates.
            if let Err(error) = self.consumer.store_offset(topic, partition, offset) {
                tracing::debug!(%error, topic, partition, offset, "offset not stored");
            }
        }
    }
}

/// What came of polling; only what can never be polled again is an error.
fn arrived(
    next: Option<KafkaResult<BorrowedMessage<'_>>>,
) -> Result<Option<BorrowedMessage<'_>>, MessagingError> {
    match next {
        Some(Ok(message)) => Ok(Some(message)),
        Some(Err(error @ KafkaError::MessageConsumptionFatal(_))) => Err(error.into()),
        Some(Err(error)) => {
            metrics::counter!("consumer_retries_total").increment(1);
            tracing::warn!(%error, "polling failed; trying on");
            Ok(None)
        }
        None => Ok(None),
    }
}
