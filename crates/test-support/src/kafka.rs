//! Raw records, topics and offsets for tests.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use rdkafka::ClientConfig;
use rdkafka::TopicPartitionList;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer, StreamConsumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Header, Headers, Message, OwnedHeaders};
use rdkafka::metadata::MetadataTopic;
use rdkafka::producer::{DeliveryFuture, FutureProducer, FutureRecord, Producer};
use rdkafka::types::RDKafkaErrorCode as Code;
use tokio::time::{Instant, timeout_at};

const PATIENCE: Duration = Duration::from_secs(30);
/// The number of replicas that makes brokers take the one they are configured with.
const AS_CONFIGURED: i32 = -1;

/// A record as it is in Kafka.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Its topic, with the prefix.
    pub topic: String,
    /// Its partition.
    pub partition: i32,
    /// Its offset in the partition.
    pub offset: i64,
    /// Its time as the producer told it, in milliseconds.
    pub time: Option<i64>,
    /// Its key.
    pub key: Option<Vec<u8>>,
    /// Its headers in their order.
    pub headers: Vec<(String, Vec<u8>)>,
    /// Its value; `None` is a tombstone.
    pub payload: Option<Vec<u8>>,
}

impl Record {
    /// The value of the first header of that name.
    pub fn header(&self, name: &str) -> Option<&[u8]> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_slice())
    }
}

/// A record to be written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NewRecord {
    /// Its topic, with the prefix.
    pub topic: String,
    /// The partition, or `None` for the one the key belongs to.
    pub partition: Option<i32>,
    /// Its key.
    pub key: Option<Vec<u8>>,
    /// Its headers in their order.
    pub headers: Vec<(String, Vec<u8>)>,
    /// Its value; `None` is a tombstone.
    pub payload: Option<Vec<u8>>,
}

/// Writes records in their order and waits until the broker has acknowledged all of them.
/// Returns partition and offset of each.
pub async fn produce(brokers: &str, records: &[NewRecord]) -> Result<Vec<(i32, i64)>> {
    write(&producer(brokers)?, records).await
}

/// The same, compressed with a codec: `none`, `gzip`, `snappy`, `lz4` or `zstd`.
pub async fn produce_compressed(brokers: &str, codec: &str, records: &[NewRecord]) -> Result<()> {
    let producer = client(brokers).set("compression.type", codec).create()?;
    write(&producer, records).await.map(drop)
}

async fn write(producer: &FutureProducer, records: &[NewRecord]) -> Result<Vec<(i32, i64)>> {
    let mut waiting: Vec<DeliveryFuture> = Vec::with_capacity(records.len());
    for record in records {
        waiting.push(enqueue(producer, record).await?);
    }
    let mut places = Vec::with_capacity(waiting.len());
    for delivery in waiting {
        let delivery = delivery.await?.map_err(|(error, _)| error)?;
        places.push((delivery.partition, delivery.offset));
    }
    Ok(places)
}

/// One for all tests of a process: a new one waits half a second for its id.
fn producer(brokers: &str) -> Result<FutureProducer> {
    static PRODUCERS: Mutex<BTreeMap<String, FutureProducer>> = Mutex::new(BTreeMap::new());

    let mut producers = PRODUCERS.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(producer) = producers.get(brokers) {
        return Ok(producer.clone());
    }
    let producer: FutureProducer = client(brokers).create()?;
    producers.insert(brokers.to_owned(), producer.clone());
    Ok(producer)
}

fn client(brokers: &str) -> ClientConfig {
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", brokers)
        .set("enable.idempotence", "true")
        .set("partitioner", "murmur2_random")
        .set("message.timeout.ms", PATIENCE.as_millis().to_string())
        // Brokers that a test stopped are found again at once.
        .set("reconnect.backoff.max.ms", "500");
    config
}

async fn enqueue(producer: &FutureProducer, new: &NewRecord) -> Result<DeliveryFuture> {
    let headers = new.headers.iter().fold(OwnedHeaders::new(), |headers, (key, value)| {
        headers.insert(Header { key, value: Some(value) })
    });
    let mut record = FutureRecord::<[u8], [u8]>::to(&new.topic).headers(headers);
    record.partition = new.partition;
    record.key = new.key.as_deref();
    record.payload = new.payload.as_deref();
    loop {
        match producer.send_result(record) {
            Ok(delivery) => return Ok(delivery),
            Err((KafkaError::MessageProduction(Code::QueueFull), refused)) => {
                record = refused;
                let producer = producer.clone();
                tokio::task::spawn_blocking(move || producer.flush(PATIENCE)).await??;
            }
            Err((error, _)) => return Err(error.into()),
        }
    }
}

/// Reads the topics from their beginning until `enough` holds for what was read so far.
///
/// # Errors
///
/// When it does not hold within `deadline`; the error tells how many records there were.
pub async fn read_until(
    brokers: &str,
    topics: &[&str],
    deadline: Duration,
    mut enough: impl FnMut(&[Record]) -> bool,
) -> Result<Vec<Record>> {
    let end = Instant::now() + deadline;
    let consumer = reader(brokers, topics).await?;
    let mut records = Vec::new();
    while !enough(&records) {
        let Ok(received) = timeout_at(end, consumer.recv()).await else {
            bail!(
                "what was awaited on {} did not come within {deadline:?}; {} records came",
                topics.join(", "),
                records.len()
            );
        };
        records.push(record(&received?));
    }
    Ok(records)
}

/// Reads the topics from their beginning to where they end now, one record after the other; those of a
/// partition come in their order.
///
/// # Errors
///
/// When nothing comes for half a minute although there is more.
pub async fn read_all(brokers: &str, topics: &[&str], mut each: impl FnMut(Record)) -> Result<()> {
    let mut left = ends(brokers, topics).await?;
    left.retain(|_, end| *end > 0);
    let consumer = reader(brokers, topics).await?;
    while !left.is_empty() {
        let received = tokio::time::timeout(PATIENCE, consumer.recv()).await;
        let record = record(&received.context("a record that is there does not come")??);
        let place = (record.topic.clone(), record.partition);
        match left.get(&place) {
            Some(end) if record.offset + 1 >= *end => _ = left.remove(&place),
            Some(_) => {}
            None => continue,
        }
        each(record);
    }
    Ok(())
}

/// Reads the topics from their beginning.
async fn reader(brokers: &str, topics: &[&str]) -> Result<StreamConsumer> {
    let consumer: StreamConsumer = ClientConfig::new()
        .set("bootstrap.servers", brokers)
        // Needed by the client, used for nothing: partitions are assigned, offsets not kept.
        .set("group.id", "test-reader")
        .set("enable.auto.commit", "false")
        .set("fetch.wait.max.ms", "20")
        .create()?;
    let mut assignment = TopicPartitionList::new();
    for (topic, partitions) in partitions(brokers, topics).await? {
        for partition in 0..partitions {
            // By number: to ask where the beginning is takes half a second more.
            assignment.add_partition_offset(&topic, partition, rdkafka::Offset::Offset(0))?;
        }
    }
    consumer.assign(&assignment)?;
    Ok(consumer)
}

fn record(message: &BorrowedMessage<'_>) -> Record {
    Record {
        topic: message.topic().to_owned(),
        partition: message.partition(),
        offset: message.offset(),
        time: message.timestamp().to_millis(),
        key: message.key().map(<[u8]>::to_vec),
        headers: message.headers().map(headers).unwrap_or_default(),
        payload: message.payload().map(<[u8]>::to_vec),
    }
}

fn headers(headers: &impl Headers) -> Vec<(String, Vec<u8>)> {
    headers
        .iter()
        .map(|header| (header.key.to_owned(), header.value.unwrap_or_default().to_vec()))
        .collect()
}

/// Makes topics with `partitions` each, and as many replicas as the brokers give by themselves, where they
/// are missing, and waits until the metadata shows all of them with a leader.
pub async fn create_topics(brokers: &str, topics: &[&str], partitions: i32) -> Result<()> {
    let admin: AdminClient<DefaultClientContext> =
        ClientConfig::new().set("bootstrap.servers", brokers).create()?;
    let new: Vec<_> = topics
        .iter()
        .map(|topic| NewTopic::new(topic, partitions, TopicReplication::Fixed(AS_CONFIGURED)))
        .collect();
    let options = AdminOptions::new().operation_timeout(Some(PATIENCE));
    for result in admin.create_topics(&new, &options).await? {
        match result {
            Ok(_) | Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
            Err((topic, error)) => bail!("cannot make the topic {topic}: {error}"),
        }
    }
    self::partitions(brokers, topics).await.map(drop)
}

/// Whether a broker tells its metadata, brokers in it: from then on topics can be made.
pub async fn answers(brokers: &str) -> Result<()> {
    let first = brokers.split(',').next().unwrap_or_default();
    tokio::net::TcpStream::connect(first).await.context("it does not listen")?;
    let config = ClientConfig::new().set("bootstrap.servers", brokers).clone();
    tokio::task::spawn_blocking(move || {
        let consumer: BaseConsumer = config.create()?;
        let metadata = consumer.fetch_metadata(None, Duration::from_secs(1))?;
        ensure!(!metadata.brokers().is_empty(), "it does not know itself yet");
        Ok(())
    })
    .await?
}

/// Whether a cluster has so many brokers, and each partition all of its replicas in step.
pub async fn in_step(brokers: &str, count: usize) -> Result<()> {
    let config = ClientConfig::new().set("bootstrap.servers", brokers).clone();
    tokio::task::spawn_blocking(move || {
        let consumer: BaseConsumer = config.create()?;
        let metadata = consumer.fetch_metadata(None, Duration::from_secs(1))?;
        let there = metadata.brokers().len();
        ensure!(there >= count, "{there} of {count} brokers are there");
        let partitions = metadata.topics().iter().flat_map(MetadataTopic::partitions);
        let behind =
            partitions.filter(|partition| partition.isr().len() < partition.replicas().len());
        let behind = behind.count();
        ensure!(behind == 0, "{behind} partitions have a replica that is behind");
        Ok(())
    })
    .await?
}

/// Deletes the topics whose name `unwanted` holds for.
pub(crate) async fn delete_topics(brokers: &str, unwanted: impl Fn(&str) -> bool) -> Result<()> {
    let config = ClientConfig::new().set("bootstrap.servers", brokers).clone();
    let admin: AdminClient<DefaultClientContext> = config.create()?;
    let names = tokio::task::spawn_blocking(move || -> Result<Vec<String>> {
        let consumer: BaseConsumer = config.create()?;
        let metadata = consumer.fetch_metadata(None, PATIENCE)?;
        Ok(metadata.topics().iter().map(|topic| topic.name().to_owned()).collect())
    })
    .await??;
    let names: Vec<_> = names.iter().map(String::as_str).filter(|name| unwanted(name)).collect();
    if !names.is_empty() {
        admin.delete_topics(&names, &AdminOptions::new()).await?;
    }
    Ok(())
}

/// How many partitions each topic has, once all of them have a leader.
async fn partitions(brokers: &str, topics: &[&str]) -> Result<Vec<(String, i32)>> {
    let consumer: BaseConsumer = ClientConfig::new().set("bootstrap.servers", brokers).create()?;
    let topics: Vec<String> = topics.iter().map(|topic| (*topic).to_owned()).collect();
    let end = Instant::now() + PATIENCE;
    tokio::task::spawn_blocking(move || {
        let mut found = Vec::new();
        for topic in topics {
            loop {
                let count = led_partitions(&consumer, &topic)?;
                if let Some(count) = count {
                    found.push((topic, count));
                    break;
                }
                if Instant::now() > end {
                    bail!("the topic {topic} is not there");
                }
                // Pauses between two looks: nothing comes from a consumer without assignment.
                let _ = consumer.poll(Duration::from_millis(20));
            }
        }
        Ok(found)
    })
    .await?
}

fn led_partitions(consumer: &BaseConsumer, topic: &str) -> Result<Option<i32>> {
    let metadata = consumer
        .fetch_metadata(Some(topic), PATIENCE)
        .with_context(|| format!("cannot look the topic {topic} up"))?;
    let Some(topic) = metadata.topics().first() else {
        return Ok(None);
    };
    let partitions = topic.partitions();
    let led = topic.error().is_none()
        && !partitions.is_empty()
        && partitions
            .iter()
            .all(|partition| partition.error().is_none() && partition.leader() >= 0);
    Ok(led.then_some(i32::try_from(partitions.len())?))
}

/// Where a group has committed to, by topic and partition; those it has not read are left out.
pub async fn committed(
    brokers: &str,
    group: &str,
    topics: &[&str],
) -> Result<BTreeMap<(String, i32), i64>> {
    let mut asked = TopicPartitionList::new();
    for (topic, partitions) in partitions(brokers, topics).await? {
        asked.add_partition_range(&topic, 0, partitions - 1);
    }
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", brokers).set("group.id", group);
    let committed = tokio::task::spawn_blocking(move || {
        let consumer: BaseConsumer = config.create()?;
        consumer.committed_offsets(asked, PATIENCE)
    });
    let offsets = committed.await??;
    let known = offsets.elements().into_iter().filter_map(|partition| {
        let offset = partition.offset().to_raw().filter(|offset| *offset >= 0)?;
        Some(((partition.topic().to_owned(), partition.partition()), offset))
    });
    Ok(known.collect())
}

/// A broker may be told by the metadata to lead a partition a little before it knows of it.
fn end_of(consumer: &BaseConsumer, topic: &str, partition: i32) -> Result<i64> {
    let end = Instant::now() + PATIENCE;
    loop {
        match consumer.fetch_watermarks(topic, partition, PATIENCE) {
            Err(KafkaError::MetadataFetch(RDKafkaErrorCode::NotLeaderForPartition))
                if Instant::now() < end =>
            {
                // Pauses between two looks: nothing comes from a consumer without assignment.
                let _ = consumer.poll(Duration::from_millis(20));
            }
            watermarks => return Ok(watermarks?.1),
        }
    }
}

/// Where the partitions of topics end.
pub async fn ends(brokers: &str, topics: &[&str]) -> Result<BTreeMap<(String, i32), i64>> {
    let found = partitions(brokers, topics).await?;
    let consumer: BaseConsumer = ClientConfig::new().set("bootstrap.servers", brokers).create()?;
    tokio::task::spawn_blocking(move || {
        let mut ends = BTreeMap::new();
        for (topic, partitions) in found {
            for partition in 0..partitions {
                ends.insert((topic.clone(), partition), end_of(&consumer, &topic, partition)?);
            }
        }
        Ok(ends)
    })
    .await?
}

/// Makes the brokers forget a group without members, and where it has committed to.
pub async fn delete_group(brokers: &str, group: &str) -> Result<()> {
    let admin: AdminClient<DefaultClientContext> =
        ClientConfig::new().set("bootstrap.servers", brokers).create()?;
    for result in admin.delete_groups(&[group], &AdminOptions::new()).await? {
        match result {
            Ok(_) | Err((_, RDKafkaErrorCode::GroupIdNotFound)) => {}
            Err((group, error)) => bail!("cannot delete the group {group}: {error}"),
        }
    }
    Ok(())
}
