//! All that the topics hold of one key.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use chrono::{DateTime, Utc};
use contracts::{events::EventType, topic::Topic};
use rdkafka::{
    Message as _, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer as _},
    error::{KafkaError, KafkaResult},
    metadata::Metadata,
    types::RDKafkaErrorCode,
};

use super::{Admin, blocking};
use crate::{
    error::MessagingError,
    kafka::REQUEST_TIMEOUT,
    record::{self, Decoded, Received},
};

/// How long is waited for the next record of a partition that has not ended.
const NEXT_RECORD: Duration = Duration::from_secs(5);

/// What the topics hold of one key.
#[derive(Debug, Clone, Default)]
pub struct History {
    /// Its events, ordered by their times.
    pub events: Vec<Received>,
    /// How many of its records are no events, or none that this version knows, by their topics.
    pub unreadable: BTreeMap<Topic, usize>,
}

impl Admin {
    /// Whatever was published of one key since a time.
    pub async fn history_of(
        &self,
        key: String,
        topics: &[Topic],
        since: DateTime<Utc>,
    ) -> Result<History, MessagingError> {
        let kafka = self.kafka.clone();
        let mut config = self.config();
        // librdkafka wants a group for any assignment; nothing is ever committed to this one.
        config
            .set("group.id", kafka.topic_name("operator"))
            .set("enable.auto.commit", "false")
            // What is deleted while it is read is passed over.
            .set("auto.offset.reset", "earliest");
        let topics: HashMap<String, Topic> =
            topics.iter().map(|topic| (kafka.topic_name(topic.name()), *topic)).collect();
        let mut history = blocking(move || {
            let consumer: BaseConsumer = config.create()?;
            let metadata = consumer.fetch_metadata(None, REQUEST_TIMEOUT)?;
            let mut open = starts(&consumer, &metadata, &topics, since)?;
            let mut history = History::default();
            while !open.is_empty() {
                let Some(message) = consumer.poll(NEXT_RECORD) else {
                    return Err(KafkaError::MessageConsumption(
                        RDKafkaErrorCode::OperationTimedOut,
                    ));
                };
                let message = match message {
                    Ok(message) => message,
                    Err(error @ KafkaError::MessageConsumptionFatal(_)) => return Err(error),
                    // The client tries on; without an answer the time ends.
                    Err(_) => continue,
                };
                let place = (message.topic().to_owned(), message.partition());
                if open.get(&place).is_some_and(|end| message.offset() + 1 >= *end) {
                    open.remove(&place);
                }
                if message.key() != Some(key.as_bytes()) {
                    continue;
                }
                let Some(&topic) = topics.get(message.topic()) else { continue };
                match record::decode(&message, topic, EventType::ALL) {
                    Decoded::Event(event) => history.events.push(*event),
                    Decoded::Unwanted | Decoded::UnknownType | Decoded::Poison(_) => {
                        *history.unreadable.entry(topic).or_default() += 1;
                    }
                }
            }
            Ok(history)
        })
        .await?;
        history.events.sort_by_key(|event| (event.time, event.id));
        Ok(history)
    }
}

/// Assigns every partition from that time on; returns where those end that have records since.
fn starts(
    consumer: &BaseConsumer,
    metadata: &Metadata,
    topics: &HashMap<String, Topic>,
    since: DateTime<Utc>,
) -> KafkaResult<HashMap<(String, i32), i64>> {
    let mut times = TopicPartitionList::new();
    for topic in metadata.topics().iter().filter(|topic| topics.contains_key(topic.name())) {
        for partition in topic.partitions() {
            let millis = Offset::Offset(since.timestamp_millis());
            times.add_partition_offset(topic.name(), partition.id(), millis)?;
        }
    }
    if times.count() == 0 {
        return Ok(HashMap::new());
    }
    let found = consumer.offsets_for_times(times, REQUEST_TIMEOUT)?;
    let mut open = HashMap::new();
    let mut assigned = TopicPartitionList::new();
    for partition in found.elements() {
        // "The end" where nothing is that young.
        if let Offset::Offset(start) = partition.offset() {
            let (topic, id) = (partition.topic(), partition.partition());
            let (_, end) = consumer.fetch_watermarks(topic, id, REQUEST_TIMEOUT)?;
            if start < end {
                assigned.add_partition_offset(topic, id, Offset::Offset(start))?;
                open.insert((topic.to_owned(), id), end);
            }
        }
    }
    consumer.assign(&assigned)?;
    Ok(open)
}
