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
};

use tokio::time::{Instant, timeout_at};

use crate::{batch::Batch, consumer::Handler, error::MessagingError, kafka::KafkaConfig, record};

/// The most records a batch has. Larger ones gained nothing in SQL and hold locks for longer.
const MAX_BATCH: usize = 500;

/// Bodies of a batch may be this large together, and the last one larger.
const MAX_BATCH_BYTES: usize = 8 * 1024 * 1024;

/// How long records gather on whose effect nobody waits.
const LEISURE: Duration = Duration::from_millis(50);

/// How often a member whose batch takes long looks for rebalances.
const HOLD_INTERVAL: Duration = Duration::from_millis(200);

/// Notes what a rebalance took away, for the loop that polls to act upon.
#[derive(Default)]
pub(crate) struct GroupContext {
    revoked: Mutex<Vec<(String, i32)>>,
}

impl ClientContext for GroupContext {
    fn error(&self, error: KafkaError, reason: &str) {
        tracing::warn!(%error, reason, "Kafka client");
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

/// Records that were polled but not processed, in order.
pub(crate) type Polled<'c> = Vec<BorrowedMessage<'c>>;

/// Partitions that a rebalance took away, by topic name.
#[derive(Debug)]
pub(crate) struct Revoked(Vec<(String, i32)>);

impl Revoked {
    pub(crate) fn holds(&self, message: &BorrowedMessage<'_>) -> bool {
        self.0.iter().any(|(t, p)| t == message.topic() && *p == message.partition())
    }
}

/// Whether a batch may grow.
fn has_room(polled: &Polled<'_>) -> bool {
    // Adding up a few hundred lengths costs less than taking a record.
    polled.len() < MAX_BATCH
        && polled.iter().map(BorrowedMessage::payload_len).sum::<usize>() < MAX_BATCH_BYTES
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
            .create_with_context(GroupContext::default())?;
        consumer.subscribe(&topics.keys().map(String::as_str).collect::<Vec<_>>())?;
        Ok(Self { consumer, topics, wants, urgent })
    }

    /// Waits for a record that is urgent, or for a while for one that is not, then takes what else is there
    /// already: a busy service gets large batches, an idle one waits for nobody. `carried` comes first.
    pub(crate) async fn next<'c>(
        &'c self,
        carried: Polled<'c>,
    ) -> Result<Polled<'c>, MessagingError> {
        let mut polled = carried;
        let mut records = self.consumer.stream();
        loop {
            if polled.is_empty() {
                self.take(records.next().await, &mut polled)?;
            }
            self.gather(&mut records, &mut polled).await?;
            while has_room(&polled) {
                let Some(next) = records.next().now_or_never() else {
                    break;
                };
                self.take(next, &mut polled)?;
            }
            self.forget_revoked(&mut polled);
            if !polled.is_empty() {
                return Ok(polled);
            }
        }
    }

    /// Waits until one of the records is urgent, for [`LEISURE`] at the most.
    async fn gather<'c>(
        &'c self,
        records: &mut (impl Stream<Item = KafkaResult<BorrowedMessage<'c>>> + Unpin),
        polled: &mut Polled<'c>,
    ) -> Result<(), MessagingError> {
        let until = Instant::now() + LEISURE;
        if self.urgent.is_empty() {
            tokio::time::sleep_until(until).await;
            return Ok(());
        }
        let mut is_urgent = polled.iter().any(|message| self.is_urgent(message));
        while !is_urgent && has_room(polled) {
            let Ok(next) = timeout_at(until, records.next()).await else {
                break;
            };
            self.take(next, polled)?;
            is_urgent = polled.last().is_some_and(|message| self.is_urgent(message));
        }
        Ok(())
    }

    /// How many of the records are urgent.
    pub(crate) fn urgent(&self, polled: &Polled<'_>) -> usize {
        polled.iter().filter(|message| self.is_urgent(message)).count()
    }

    fn is_urgent(&self, message: &BorrowedMessage<'_>) -> bool {
        record::event_type(message).is_some_and(|event_type| self.urgent.contains(&event_type))
    }

    /// Takes what was polled next, and returns what rebalances took away before.
    fn take<'c>(
        &self,
        next: Option<KafkaResult<BorrowedMessage<'c>>>,
        polled: &mut Polled<'c>,
    ) -> Result<Revoked, MessagingError> {
        // First, because the partition of the next record may have been taken away and given back.
        let revoked = self.forget_revoked(polled);
        match next {
            Some(Ok(message)) => polled.push(message),
            Some(Err(error @ KafkaError::MessageConsumptionFatal(_))) => return Err(error.into()),
            Some(Err(error)) => tracing::warn!(%error, "polling failed; trying on"),
            None => {}
        }
        Ok(revoked)
    }

    /// What was polled before its partition was revoked belongs to another member now, which reads it
    /// again from the committed offset.
    fn forget_revoked(&self, polled: &mut Polled<'_>) -> Revoked {
        let revoked = self.consumer.context().take_revoked();
        polled.retain(|message| !revoked.holds(message));
        revoked
    }

    /// Stays a member of the group while a batch takes long: nothing is fetched, but rebalances are
    /// served. Returns when a partition of the batch was taken away; `extra` receives records that
    /// slipped through.
    pub(crate) async fn hold<'c>(
        &'c self,
        batch: &Polled<'_>,
        extra: &mut Polled<'c>,
    ) -> Result<Revoked, MessagingError> {
        let mut records = self.consumer.stream();
        loop {
            // Again in every round: a rebalance may have brought new partitions.
            self.consumer.pause(&self.consumer.assignment()?)?;
            let revoked = tokio::select! {
                next = records.next() => self.take(next, extra)?,
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

    /// Reads the records.
    pub(crate) fn decode<'p>(&self, polled: &'p Polled<'_>) -> Batch<'p> {
        let mut batch = Batch::default();
        for message in polled {
            if let Some(&topic) = self.topics.get(message.topic()) {
                batch.push(message, topic, record::decode(message, topic, self.wants));
            }
        }
        batch
    }

    /// Marks the records as done; their offsets are committed in the background.
    pub(crate) fn done(&self, polled: &Polled<'_>) {
        let mut next: HashMap<(&str, i32), i64> = HashMap::new();
        for message in polled {
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
