//! The bare records of a saga: written and read as often as the system does, by a plain client.

use std::collections::BTreeMap;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaResult;
use rdkafka::message::{DeliveryResult, OwnedMessage};
use rdkafka::producer::{BaseProducer, BaseRecord, ProducerContext};
use rdkafka::{ClientConfig, ClientContext, Message, Offset, TopicPartitionList};
use tokio::task::JoinSet;

use crate::ceiling::measured;
use crate::outcome::Floor;

const PATIENCE: Duration = Duration::from_mins(1);
/// Before the names of the scratch topics.
const SCRATCH: &str = "ceiling.";
/// Records of a topic that are written again and again.
const SAMPLE: usize = 1000;
/// How long acknowledgements are polled for at a time: the last millisecond is a busy loop.
const POLL: Duration = Duration::from_secs(1);

/// How the records are written and read.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// Bootstrap address
    #[arg(long, env = "KAFKA_BROKERS")]
    brokers: String,
    /// A topic, of whose records some are written again, with how many there are an order: `orders.v1=2`
    #[arg(long = "write", required = true)]
    writes: Vec<Written>,
    /// Topics that one client reads, separated by commas; as many times as there are clients
    #[arg(long = "read")]
    reads: Vec<String>,
    /// Records that are handed over at once, and waited for
    #[arg(long, default_value_t = 100)]
    batch: usize,
    /// Orders in all
    #[arg(long, default_value_t = 50_000)]
    orders: u64,
    /// Partitions of each topic
    #[arg(long, default_value_t = 3)]
    partitions: i32,
}

/// How many records an order has on a topic.
#[derive(Debug, Clone, PartialEq)]
struct Written {
    topic: String,
    per_order: f64,
}

impl FromStr for Written {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (topic, per_order) = text.split_once('=').ok_or("a topic, =, and a number")?;
        let per_order = per_order.parse().map_err(|_| "a topic, =, and a number")?;
        Ok(Self { topic: topic.to_owned(), per_order })
    }
}

/// Writes and reads them.
pub async fn run(options: &Options) -> Result<Floor> {
    ensure!(options.batch > 0, "a batch of nothing");
    let mut samples = Vec::new();
    for written in &options.writes {
        let (brokers, topic) = (options.brokers.clone(), written.topic.clone());
        let sample = tokio::task::spawn_blocking(move || sample(&brokers, &topic)).await??;
        let count = times(options.orders, written.per_order);
        samples.push((format!("{SCRATCH}{}", written.topic), sample, count));
    }
    let names: Vec<&str> = samples.iter().map(|(topic, ..)| topic.as_str()).collect();
    let admin: AdminClient<DefaultClientContext> = client(&options.brokers).create()?;
    let new = names
        .iter()
        .map(|topic| NewTopic::new(topic, options.partitions, TopicReplication::Fixed(-1)));
    for made in admin.create_topics(&new.collect::<Vec<_>>(), &AdminOptions::new()).await? {
        made.map_err(|(topic, error)| anyhow::anyhow!("cannot make {topic}: {error}"))?;
    }
    let floor = measured(write_and_read(options, &samples)).await;
    admin.delete_topics(&names, &AdminOptions::new()).await?;
    floor
}

async fn write_and_read(
    options: &Options,
    samples: &[(String, Arc<Vec<OwnedMessage>>, u64)],
) -> Result<u64> {
    let mut tasks = JoinSet::new();
    let counts: BTreeMap<&str, u64> =
        samples.iter().map(|(topic, _, count)| (topic.as_str(), *count)).collect();
    for read in &options.reads {
        let topics: Vec<String> =
            read.split(',').map(|topic| format!("{SCRATCH}{topic}")).collect();
        let due = topics.iter().filter_map(|topic| counts.get(topic.as_str())).sum();
        let (brokers, partitions) = (options.brokers.clone(), options.partitions);
        tasks.spawn_blocking(move || read_all(&brokers, &topics, partitions, due));
    }
    for (topic, sample, count) in samples {
        let (topic, sample, count) = (topic.clone(), Arc::clone(sample), *count);
        let (brokers, batch) = (options.brokers.clone(), options.batch);
        tasks.spawn_blocking(move || write(&brokers, &topic, &sample, count, batch));
    }
    while let Some(done) = tasks.join_next().await {
        done??;
    }
    Ok(options.orders)
}

#[allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "some number of records"
)]
fn times(orders: u64, per_order: f64) -> u64 {
    (orders as f64 * per_order).round() as u64
}

fn client(brokers: &str) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", brokers).set("socket.nagle.disable", "true");
    config
}

fn consumer(brokers: &str) -> Result<BaseConsumer> {
    let mut config = client(brokers);
    config.set("group.id", "ceiling").set("enable.auto.commit", "false");
    config.set("auto.offset.reset", "earliest").set("fetch.queue.backoff.ms", "10");
    Ok(config.create()?)
}

fn assign(consumer: &BaseConsumer, topics: &[String], partitions: i32) -> Result<()> {
    let mut all = TopicPartitionList::new();
    for topic in topics {
        for partition in 0..partitions {
            all.add_partition_offset(topic, partition, Offset::Beginning)?;
        }
    }
    Ok(consumer.assign(&all)?)
}

/// Some of what is on a topic.
fn sample(brokers: &str, topic: &str) -> Result<Arc<Vec<OwnedMessage>>> {
    let consumer = consumer(brokers)?;
    let metadata = consumer.fetch_metadata(Some(topic), PATIENCE)?;
    let partitions = metadata.topics().first().map_or(0, |topic| topic.partitions().len());
    assign(&consumer, &[topic.to_owned()], i32::try_from(partitions)?)?;
    let mut sample = Vec::new();
    // Whatever comes within a moment of what came before it.
    while sample.len() < SAMPLE
        && let Some(message) = consumer.poll(Duration::from_secs(3))
    {
        sample.push(message?.detach());
    }
    ensure!(!sample.is_empty(), "{topic} is empty");
    Ok(Arc::new(sample))
}

fn read_all(brokers: &str, topics: &[String], partitions: i32, due: u64) -> Result<()> {
    let consumer = consumer(brokers)?;
    assign(&consumer, topics, partitions)?;
    let mut read = 0;
    while read < due {
        match consumer.poll(PATIENCE) {
            Some(message) => message.map(drop)?,
            None => bail!("{read} of {due} records were read"),
        }
        read += 1;
    }
    Ok(())
}

fn write(
    brokers: &str,
    topic: &str,
    sample: &[OwnedMessage],
    count: u64,
    batch: usize,
) -> Result<()> {
    let mut config = client(brokers);
    config.set("enable.idempotence", "true").set("acks", "all").set("linger.ms", "0");
    config.set("compression.type", "lz4").set("partitioner", "murmur2_random");
    let (sender, acknowledged) = mpsc::channel();
    let producer: BaseProducer<Acknowledged> = config.create_with_context(Acknowledged(sender))?;
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(Ordering::Relaxed) {
                producer.poll(POLL);
            }
        });
        let written = write_batches(&producer, &acknowledged, topic, sample, count, batch);
        is_over.store(true, Ordering::Relaxed);
        written
    })
}

fn write_batches(
    producer: &BaseProducer<Acknowledged>,
    acknowledged: &Receiver<KafkaResult<()>>,
    topic: &str,
    sample: &[OwnedMessage],
    count: u64,
    batch: usize,
) -> Result<()> {
    let count = usize::try_from(count)?;
    for (position, record) in sample.iter().cycle().take(count).enumerate() {
        let mut new = BaseRecord::to(topic).key(record.key().unwrap_or_default());
        new = new.payload(record.payload().unwrap_or_default());
        if let Some(headers) = record.headers() {
            new = new.headers(headers.clone());
        }
        producer.send(new).map_err(|(error, _)| error)?;
        if (position + 1) % batch == 0 {
            wait_for(acknowledged, batch)?;
        }
    }
    wait_for(acknowledged, count % batch)
}

fn wait_for(acknowledged: &Receiver<KafkaResult<()>>, records: usize) -> Result<()> {
    for _ in 0..records {
        acknowledged.recv_timeout(PATIENCE).context("no acknowledgement")??;
    }
    Ok(())
}

/// Tells of each record whether the brokers have it.
struct Acknowledged(Sender<KafkaResult<()>>);

impl ClientContext for Acknowledged {}

impl ProducerContext for Acknowledged {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        let outcome = result.as_ref().map(|_| ()).map_err(|(error, _)| error.clone());
        // Nobody listens any more where the measurement has failed.
        drop(self.0.send(outcome));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_named_with_its_number() {
        let written = Written { topic: "orders.v1".to_owned(), per_order: 2.5 };
        assert_eq!("orders.v1=2.5".parse(), Ok(written));
        assert!("orders.v1".parse::<Written>().is_err());
        assert!("orders.v1=many".parse::<Written>().is_err());
        assert_eq!(times(1000, 2.5), 2500);
    }
}
