//! What an operator asks of the brokers: topics, how far the groups are, and all records of one key.

mod history;

pub use history::History;

use std::time::{Duration, Instant};

use contracts::topic::Topic;
use rdkafka::{
    ClientConfig, Offset, TopicPartitionList,
    admin::{AdminClient, AdminOptions, NewTopic, TopicReplication},
    client::DefaultClientContext,
    consumer::{BaseConsumer, Consumer as _},
    error::{KafkaError, KafkaResult},
    metadata::MetadataTopic,
    types::RDKafkaErrorCode,
};

use crate::{
    error::MessagingError,
    kafka::{KafkaConfig, REQUEST_TIMEOUT},
};

const ASK_AGAIN: Duration = Duration::from_millis(100);

/// The brokers, as an operator sees them.
#[derive(Debug, Clone)]
pub struct Admin {
    kafka: KafkaConfig,
}

/// What became of a topic that was to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Made {
    /// It is there now.
    Created,
    /// It was there before; nothing of it was changed.
    Existed,
}

/// A topic as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicState {
    /// Without the installation's prefix.
    pub name: String,
    /// Its partitions, by number.
    pub partitions: Vec<PartitionState>,
}

/// A partition as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PartitionState {
    /// Its number.
    pub id: i32,
    /// Brokers that have it.
    pub replicas: usize,
    /// Those of them that have all of it.
    pub in_sync: usize,
    /// The first offset that is kept, and the one that the next record gets; unknown while no broker leads it.
    pub offsets: Option<(i64, i64)>,
}

/// How far a service's group is with a partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    /// Without the installation's prefix.
    pub topic: String,
    /// The partition's number.
    pub partition: i32,
    /// The offset of the first record that is not known to be processed; `None` where none ever was.
    pub committed: Option<i64>,
    /// Records that are there and not known to be processed.
    pub lag: i64,
}

impl Admin {
    /// For the brokers of this installation.
    pub fn new(kafka: KafkaConfig) -> Self {
        Self { kafka }
    }

    /// Makes the topics of these names where they are missing, each with so many partitions, and replicas on so many
    /// brokers, of which most must have a record before it counts as written. What whoever comes new has to read from
    /// the beginning, keys and the catalogue, is kept for good; the others as long as the brokers keep what they are
    /// not told about. Returns once all of them can be written and read.
    pub async fn create_topics(
        &self,
        names: &[String],
        partitions: i32,
        replicas: i32,
    ) -> Result<Vec<(String, Made)>, MessagingError> {
        let admin: AdminClient<DefaultClientContext> = self.config().create()?;
        let kept = [Topic::Users, Topic::Products].map(|topic| self.kafka.topic_name(topic.name()));
        let full: Vec<String> = names.iter().map(|name| self.kafka.topic_name(name)).collect();
        let most = (replicas / 2 + 1).to_string();
        let new = full.iter().map(|name| {
            let topic = NewTopic::new(name, partitions, TopicReplication::Fixed(replicas))
                .set("min.insync.replicas", &most);
            if kept.contains(name) { topic.set("retention.ms", "-1") } else { topic }
        });
        let new: Vec<_> = new.collect();
        let options = AdminOptions::new()
            .operation_timeout(Some(REQUEST_TIMEOUT))
            .request_timeout(Some(REQUEST_TIMEOUT));
        let made = admin.create_topics(&new, &options).await?;
        let outcome = |made| match made {
            Ok(_) => Ok(Made::Created),
            Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => Ok(Made::Existed),
            Err((name, code)) => {
                Err(MessagingError::Topic { name, cause: KafkaError::AdminOp(code) })
            }
        };
        let made: Vec<Made> = made.into_iter().map(outcome).collect::<Result<_, _>>()?;
        self.until_they_lead(names).await?;
        Ok(names.iter().cloned().zip(made).collect())
    }

    /// Waits until every partition can be written and read, which comes a little after it is made.
    async fn until_they_lead(&self, names: &[String]) -> Result<(), MessagingError> {
        let given_up = Instant::now() + REQUEST_TIMEOUT;
        loop {
            let cause = match self.topics(names.to_vec()).await {
                Ok(topics) if topics.len() == names.len() && topics.iter().all(is_led) => {
                    return Ok(());
                }
                Ok(_) => KafkaError::MetadataFetch(RDKafkaErrorCode::UnknownTopic).into(),
                Err(error) => error,
            };
            if Instant::now() > given_up {
                return Err(cause);
            }
            tokio::time::sleep(ASK_AGAIN).await;
        }
    }

    /// Those of the topics of these names that are there.
    pub async fn topics(&self, names: Vec<String>) -> Result<Vec<TopicState>, MessagingError> {
        let (kafka, config) = (self.kafka.clone(), self.config());
        blocking(move || {
            let consumer: BaseConsumer = config.create()?;
            let metadata = consumer.fetch_metadata(None, REQUEST_TIMEOUT)?;
            let mut topics = Vec::new();
            for name in names {
                let full = kafka.topic_name(&name);
                let mut partitions = Vec::new();
                for partition in metadata
                    .topics()
                    .iter()
                    .filter(|topic| topic.name() == full)
                    .flat_map(MetadataTopic::partitions)
                {
                    let id = partition.id();
                    let offsets = match partition.leader() {
                        0.. => match consumer.fetch_watermarks(&full, id, REQUEST_TIMEOUT) {
                            // The broker does not know of it yet, or not any more.
                            Err(KafkaError::MetadataFetch(
                                RDKafkaErrorCode::NotLeaderForPartition,
                            )) => None,
                            offsets => Some(offsets?),
                        },
                        _ => None,
                    };
                    let (replicas, in_sync) = (partition.replicas().len(), partition.isr().len());
                    partitions.push(PartitionState { id, replicas, in_sync, offsets });
                }
                if !partitions.is_empty() {
                    partitions.sort_unstable_by_key(|partition| partition.id);
                    topics.push(TopicState { name, partitions });
                }
            }
            Ok(topics)
        })
        .await
    }

    /// How far the group of a service is with these topics; partitions that no broker leads are left out.
    pub async fn progress(
        &self,
        service: &str,
        topics: Vec<TopicState>,
    ) -> Result<Vec<Progress>, MessagingError> {
        let kafka = self.kafka.clone();
        let mut config = self.config();
        config.set("group.id", kafka.topic_name(service));
        blocking(move || {
            let consumer: BaseConsumer = config.create()?;
            let mut asked = TopicPartitionList::new();
            for topic in &topics {
                for partition in &topic.partitions {
                    asked.add_partition(&kafka.topic_name(&topic.name), partition.id);
                }
            }
            let committed = consumer.committed_offsets(asked, REQUEST_TIMEOUT)?;
            let mut progress = Vec::new();
            for topic in topics {
                for partition in topic.partitions {
                    let found =
                        committed.find_partition(&kafka.topic_name(&topic.name), partition.id);
                    let committed = match found.map(|found| found.offset()) {
                        Some(Offset::Offset(offset)) => Some(offset),
                        _ => None,
                    };
                    let Some((start, end)) = partition.offsets else { continue };
                    // What is not kept any more can wait for nobody.
                    let next = committed.unwrap_or(start).max(start);
                    progress.push(Progress {
                        topic: topic.name.clone(),
                        partition: partition.id,
                        committed,
                        lag: (end - next).max(0),
                    });
                }
            }
            Ok(progress)
        })
        .await
    }

    fn config(&self) -> ClientConfig {
        self.kafka.client("operator")
    }
}

fn is_led(topic: &TopicState) -> bool {
    topic.partitions.iter().all(|partition| partition.offsets.is_some())
}

/// librdkafka waits for the brokers inside its calls.
async fn blocking<T: Send + 'static>(
    ask: impl FnOnce() -> KafkaResult<T> + Send + 'static,
) -> Result<T, MessagingError> {
    Ok(tokio::task::spawn_blocking(ask).await??)
}
