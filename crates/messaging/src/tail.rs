use std::collections::HashMap;

use contracts::{events::EventType, topic::Topic};
use rdkafka::{
    Message as _, Offset, TopicPartitionList,
    consumer::{Consumer as _, StreamConsumer},
    error::KafkaError,
    metadata::{MetadataPartition, MetadataTopic},
    types::RDKafkaErrorCode,
};
use tokio_util::sync::CancellationToken;

use crate::{
    backoff::Backoff,
    error::{MessagingError, chain},
    kafka::{KafkaConfig, REQUEST_TIMEOUT},
    record::{self, Decoded, Received},
};

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
    /// event, in order per key, until `shutdown`. Brokers that are away are waited for.
    pub async fn run(
        self,
        positioned: impl FnOnce() + Send,
        mut on_event: impl FnMut(Received) + Send,
        shutdown: CancellationToken,
    ) -> Result<(), MessagingError> {
        let Some(consumer) = self.start(&shutdown).await? else {
            return Ok(());
        };
        positioned();
        let result = tokio::select! {
            biased;
            () = shutdown.cancelled() => Ok(()),
            error = self.follow(&consumer, &mut on_event) => Err(error.into()),
        };
        // Closing blocks.
        tokio::task::spawn_blocking(move || drop(consumer)).await?;
        result
    }

    /// Until the client fails for good.
    async fn follow(
        &self,
        consumer: &StreamConsumer,
        on_event: &mut (impl FnMut(Received) + Send),
    ) -> KafkaError {
        let topics: HashMap<String, Topic> = self.topics().collect();
        loop {
            match consumer.recv().await {
                Ok(message) => {
                    let Some(&topic) = topics.get(message.topic()) else {
                        continue;
                    };
                    if let Decoded::Event(event) = record::decode(&message, topic, self.wants) {
                        on_event(*event);
                    }
                }
                Err(error @ KafkaError::MessageConsumptionFatal(_)) => return error,
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
    ) -> Result<Option<StreamConsumer>, MessagingError> {
        let mut backoff = Backoff::default();
        loop {
            let config = self.kafka.tail_consumer(self.service);
            let topics: HashMap<String, Topic> = self.topics().collect();
            let assigning = tokio::task::spawn_blocking(move || {
                let consumer: StreamConsumer = config.create()?;
                consumer.assign(&ends(&consumer, topics.keys())?)?;
                Ok::<_, KafkaError>(consumer)
            });
            let assigned = tokio::select! {
                () = shutdown.cancelled() => return Ok(None),
                assigned = assigning => assigned?,
            };
            let error = match assigned {
                Ok(consumer) => return Ok(Some(consumer)),
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

/// The end of each partition, as a number: "the end" by name would be resolved later, and what is
/// published until then would be missed.
fn ends<'a>(
    consumer: &StreamConsumer,
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
