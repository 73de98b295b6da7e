use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use rdkafka::ClientConfig;
use tokio::task::JoinError;

use crate::lag::STATISTICS_INTERVAL;

/// Where the brokers are and how they are spoken to, and under which prefix this installation's topics and
/// groups live there.
#[derive(Debug, Clone)]
pub struct KafkaConfig {
    /// `host:port`, several separated by commas.
    pub brokers: String,
    /// Put before every topic and group name; empty unless several installations share brokers.
    pub topic_prefix: String,
    /// TLS, if it is spoken.
    pub tls: Option<Tls>,
    /// How this client proves who it is, if it must.
    pub sasl: Option<Sasl>,
}

/// How the brokers prove who they are.
#[derive(Debug, Clone)]
pub struct Tls {
    /// A file of certificates (PEM) that theirs must be signed by; those the system trusts unless it is given.
    pub ca_location: Option<PathBuf>,
}

/// Who a client is.
#[derive(Clone)]
pub struct Sasl {
    /// By the name Kafka has for it, such as `SCRAM-SHA-512`.
    pub mechanism: String,
    /// The account's name.
    pub username: String,
    /// A secret.
    pub password: String,
}

impl fmt::Debug for Sasl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sasl")
            .field("mechanism", &self.mechanism)
            .field("username", &self.username)
            .finish_non_exhaustive()
    }
}

/// How long a blocking request to the brokers may take before it is tried again.
pub(crate) const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a client that is closed waits for the brokers to hear of it.
const FAREWELL: Duration = Duration::from_secs(3);

/// Closes a client. That talks to the brokers and blocks; from those that are away it is not awaited.
pub(crate) async fn close(client: impl Send + 'static) -> Result<(), JoinError> {
    let closing = tokio::task::spawn_blocking(move || drop(client));
    match tokio::time::timeout(FAREWELL, closing).await {
        Ok(closed) => closed,
        Err(_elapsed) => {
            tracing::warn!("the brokers do not answer; left without a word");
            Ok(())
        }
    }
}

impl KafkaConfig {
    /// Without TLS and without an account, as on one's own machine.
    pub fn plaintext(brokers: impl Into<String>, topic_prefix: impl Into<String>) -> Self {
        let (brokers, topic_prefix) = (brokers.into(), topic_prefix.into());
        Self { brokers, topic_prefix, tls: None, sasl: None }
    }

    /// The name of a topic on the brokers.
    pub(crate) fn topic_name(&self, name: &str) -> String {
        format!("{}{name}", self.topic_prefix)
    }

    pub(crate) fn client(&self, client_id: &str) -> ClientConfig {
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", &self.brokers)
            .set("client.id", client_id)
            // A broker that comes back is found within half a second instead of ten.
            .set("reconnect.backoff.max.ms", "500")
            // One that has vanished without a word is given up after as long, instead of a minute.
            .set("socket.timeout.ms", "20000")
            .set("socket.nagle.disable", "true")
            .set("security.protocol", self.security_protocol());
        if let Some(path) = self.tls.as_ref().and_then(|tls| tls.ca_location.as_ref()) {
            config.set("ssl.ca.location", path.display().to_string());
        }
        if let Some(Sasl { mechanism, username, password }) = &self.sasl {
            config
                .set("sasl.mechanism", mechanism)
                .set("sasl.username", username)
                .set("sasl.password", password);
        }
        config
    }

    fn security_protocol(&self) -> &'static str {
        match (&self.tls, &self.sasl) {
            (None, None) => "plaintext",
            (Some(_), None) => "ssl",
            (None, Some(_)) => "sasl_plaintext",
            (Some(_), Some(_)) => "sasl_ssl",
        }
    }

    pub(crate) fn producer(&self, service: &str) -> ClientConfig {
        let mut config = self.client(service);
        config
            .set("enable.idempotence", "true")
            .set("acks", "all")
            // A record that the brokers refuse stops those behind it as well, until it is sent again.
            .set("enable.gapless.guarantee", "true")
            // Never given up by time: a record that timed out could be sent again behind a later one
            // of its key. The relay waits, and what is not acknowledged stays in the outbox.
            .set("message.timeout.ms", "0")
            // The relay hands over whole batches; waiting for more only delays the first.
            .set("linger.ms", "0")
            .set("compression.type", "lz4")
            // What brokers take by default; nothing larger gets into an outbox.
            .set("message.max.bytes", "1048576")
            .set("statistics.interval.ms", STATISTICS_INTERVAL)
            // The same partition for a key as Java clients choose, and as `key_hash` tells.
            .set("partitioner", "murmur2_random");
        config
    }

    /// `is_urgent` says whether anybody waits for what the consumer does.
    pub(crate) fn group_consumer(&self, service: &str, is_urgent: bool) -> ClientConfig {
        let mut config = self.fetching(service);
        config
            .set("group.id", self.topic_name(service))
            .set("partition.assignment.strategy", "cooperative-sticky")
            .set("session.timeout.ms", "10000")
            // By its heartbeat a member learns that the others wait for it in a rebalance: with the
            // default of 3 s, partitions that move stand still for as long.
            .set("heartbeat.interval.ms", "500")
            // A member polls several times a second, whatever its batch does. By this time and three seconds librdkafka
            // also bounds how long joining may take: with the default of five minutes, a coordinator that falls
            // silent meanwhile leaves the whole group without partitions for as long.
            .set("max.poll.interval.ms", "30000")
            // Offsets are stored once the batch is committed in the database, and committed from the
            // store in the background, at a rebalance and at the end. Each time costs the broker a write; what
            // a crash lets be read again is known to the inbox.
            .set("enable.auto.offset.store", "false")
            .set("enable.auto.commit", "true")
            .set("auto.commit.interval.ms", "2000");
        // Every answer costs the brokers as much as publishing a batch.
        if is_urgent {
            // Once so many records wait, of all partitions together, no more are asked for until the next batch has
            // taken them. Not so few that this happens while there is little to do: where librdkafka looks at its
            // queue while it is emptied, it asks for some partitions without the others, and for those only when the
            // answer is there. An answer that brings nothing is there after 100 ms, which bounds that wait.
            config.set("queued.min.messages", "100").set("fetch.wait.max.ms", "100");
        } else {
            // A few a second are enough.
            config.set("fetch.min.bytes", "65536").set("fetch.wait.max.ms", "250");
        }
        config
    }

    pub(crate) fn tail_consumer(&self, service: &str) -> ClientConfig {
        let mut config = self.fetching(service);
        config
            // librdkafka wants a group for any assignment; nothing is ever committed to this one.
            .set("group.id", self.topic_name(&format!("{service}-tail")))
            .set("enable.auto.commit", "false");
        config
    }

    fn fetching(&self, service: &str) -> ClientConfig {
        let mut config = self.client(service);
        config
            .set("statistics.interval.ms", STATISTICS_INTERVAL)
            .set("auto.offset.reset", "earliest")
            .set("fetch.wait.max.ms", "500")
            .set("fetch.min.bytes", "1")
            // Bound what is read ahead of the database; the defaults are 64 MiB a consumer, and 100,000
            // records a partition, of which each costs several times what is in it.
            .set("queued.max.messages.kbytes", "8192")
            .set("queued.min.messages", "2000")
            // Reading goes on 10 ms after those bounds were met; by default a whole second is idled away.
            .set("fetch.queue.backoff.ms", "10")
            // What one answer may bring of a partition, before it is unpacked. A larger record comes alone.
            .set("fetch.message.max.bytes", "131072")
            .set("topic.metadata.refresh.interval.ms", "30000");
        config
    }
}
