use std::collections::HashMap;

use contracts::{events::EventType, topic::Topic};
use rdkafka::{
    ClientConfig, ClientContext, Message as _, Offset, TopicPartitionList,
    consumer::{Consumer as _, ConsumerContext, StreamConsumer},
    error::KafkaError,
    metadata::{MetadataPartition, MetadataTopic},
    statistics::Statistics,
    types::RDKafkaErrorCode,
};
use tokio_util::sync::CancellationToken;

use crate::{
    backoff::Backoff,
    error::{MessagingError, chain},
    kafka::{KafkaConfig, REQUEST_TIMEOUT, close},
    record::{self, Decoded, Received},
    stranded::Stranding,
};

type Client = StreamConsumer<Context>;

#[derive(Default)]
struct Context {
    stranding: Stranding,
}

impl ClientContext for Context {
    fn stats(&self, statistics: Statistics) {
        self.stranding.look(&statistics);
    }
}

impl ConsumerContext for Context {}

/// Follows every partition of some topics from their ends, without a group: each replica sees all.
///
/// For live streams. Nothing is committed, and a record that cannot be read is left to the consumers,
/// which keep it as a dead letter.
#[derive(Debug)]
pub struct Tail {
    kafka: KafkaConfig,
    service: &'static str,
    wants: &'static [EventType],
}

impl Tail {
    /// A tail of the topics that the types in `wants` are published on.
    pub fn new(kafka: KafkaConfig, service: &'static str, wants: &'static [EventType]) -> Self {
        Self { kafka, service, wants }
    }

    /// Calls `positioned` once everything published from then on will be seen, and `on_event` for each
    /// event, in order per key, until `shutdown`. Brokers that are away are waited for, and a client that has lost
    /// sight of them is replaced where it stood.
    pub async fn run(
        self,
        positioned: impl FnOnce() + Send,
        mut on_event: impl FnMut(Received) + Send,
        shutdown: CancellationToken,
    ) -> Result<(), MessagingError> {
        let Some((mut consumer, mut place)) = self.start(&shutdown).await? else {
            return Ok(());
        };
        positioned();
        loop {
            let ended = tokio::select! {
                biased;
                () = shutdown.cancelled() => None,
                error = self.follow(&consumer, &mut place, &mut on_event) => Some(error),
            };
            // First: dropped by an error it would block.
            close(consumer).await?;
            match ended {
                Some(error @ MessagingError::Stranded) if !shutdown.is_cancelled() => {
                    tracing::warn!(%error, "tailing on with another client");
                }
                Some(MessagingError::Stranded) | None => return Ok(()),
                Some(error) => return Err(error),
            }
            consumer = create(&self.kafka.tail_consumer(self.service))?;
            consumer.assign(&place)?;
        }
    }

    /// Until the client fails for good. `place` is that of the next record in each partition.
    async fn follow(
        &self,
        consumer: &Client,
        place: &mut TopicPartitionList,
        on_event: &mut (impl FnMut(Received) + Send),
    ) -> MessagingError {
        let topics: HashMap<String, Topic> = self.topics().collect();
        loop {
            let next = tokio::select! {
                biased;
                next = consumer.recv() => next,
                () = consumer.context().stranding.noticed() => return MessagingError::Stranded,
            };
            match next {
                Ok(message) => {
                    let next = Offset::Offset(message.offset() + 1);
                    let moved =
                        place.set_partition_offset(message.topic(), message.partition(), next);
                    if let Err(error) = moved {
                        return error.into();
                    }
                    let Some(&topic) = topics.get(message.topic()) else {
                        continue;
                    };
                    if let Decoded::Event(event) = record::decode(&message, topic, self.wants) {
                        on_event(*event);
                    }
                }
                Err(error @ KafkaError::MessageConsumptionFatal(_)) => return error.into(),
                Err(error) => tracing::warn!(%error, "tailing failed; trying on"),
            }
        }
    }

    fn topics(&self) -> impl Iterator<Item = (String, Topic)> {
        self.wants.iter().map(|t| (self.kafka.topic_name(t.topic().name()), t.topic()))
    }

    async fn start(
        &self,
        shutdown: &CancellationToken,
    ) -> Result<Option<(Client, TopicPartitionList)>, MessagingError> {
        let mut backoff = Backoff::default();
        loop {
            let config = self.kafka.tail_consumer(self.service);
            let topics: HashMap<String, Topic> = self.topics().collect();
            let assigning = tokio::task::spawn_blocking(move || {
                let consumer = create(&config)?;
                let ends = ends(&consumer, topics.keys())?;
                consumer.assign(&ends)?;
                Ok::<_, KafkaError>((consumer, ends))
            });
            let assigned = tokio::select! {
                () = shutdown.cancelled() => return Ok(None),
                assigned = assigning => assigned?,
            };
            let error = match assigned {
                Ok(assigned) => return Ok(Some(assigned)),
                Err(error) => error,
            };
            let wait = backoff.next();
            tracing::warn!(errors = ?chain(&error), ?wait, "cannot tail the topics yet; trying again");
            tokio::select! {
                () = shutdown.cancelled() => return Ok(None),
                () = tokio::time::sleep(wait) => {}
            }
        }
    }
}

fn create(config: &ClientConfig) -> Result<Client, KafkaError> {
    config.create_with_context(Context::default())
}

/// The end of each partition, as a number: "the end" by name would be resolved later, and what is
/// published until then would be missed.
fn ends<'a>(
    consumer: &Client,
    topics: impl Iterator<Item = &'a String>,
) -> Result<TopicPartitionList, KafkaError> {
    let mut ends = TopicPartitionList::new();
    for topic in topics {
        let metadata = consumer.fetch_metadata(Some(topic), REQUEST_TIMEOUT)?;
        let partitions = metadata.topics().iter().flat_map(MetadataTopic::partitions);
        let partitions: Vec<i32> = partitions.map(MetadataPartition::id).collect();
        // Also a topic that is not there yet: without it, what it tells later would be missed.
        if partitions.is_empty() {
            return Err(KafkaError::MetadataFetch(RDKafkaErrorCode::UnknownTopic));
        }
        for partition in partitions {
            let (_, end) = consumer.fetch_watermarks(topic, partition, REQUEST_TIMEOUT)?;
            ends.add_partition_offset(topic, partition, Offset::Offset(end))?;
        }
    }
    Ok(ends)
}
