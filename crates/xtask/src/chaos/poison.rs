//! Plants records that nobody can process, and knows which dead letters must come of them.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result};
use contracts::envelope;
use contracts::events::EventType;
use rand::{Rng, RngExt};
use serde_json::Value;
use test_support::kafka::{NewRecord, Record, produce, read_all};
use test_support::stack::checkout;
use test_support::{Delivery, poison, sample};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use crate::audit::DeadLetter;
use crate::say;

/// How many are planted in a run.
const HANDFUL: u32 = 12;

/// Which types of events each service handles.
#[derive(Debug)]
pub struct Readers(BTreeMap<String, BTreeSet<EventType>>);

impl Readers {
    /// As the document of the topics says, of which a test sees to it that it is true.
    pub fn documented() -> Result<Self> {
        let document = checkout().join("crates/contracts/schemas/asyncapi.json");
        Self::of(&serde_json::from_slice(&std::fs::read(document)?)?).context("asyncapi.json")
    }

    fn of(document: &Value) -> Option<Self> {
        let mut readers: BTreeMap<String, BTreeSet<EventType>> = BTreeMap::new();
        let operations = document["operations"].as_object()?.values();
        for operation in operations.filter(|operation| operation["action"] == "receive") {
            let service = operation["tags"][0]["name"].as_str()?;
            for message in operation["messages"].as_array()? {
                let event = EventType::from_name(message["$ref"].as_str()?.rsplit('/').next()?)?;
                // Its own topics a service only tails, which keeps no dead letters.
                if event.topic().producer() != service {
                    readers.entry(service.to_owned()).or_default().insert(event);
                }
            }
        }
        Some(Self(readers))
    }

    /// The services, each with the topics it reads as a group.
    pub fn topics(&self) -> impl Iterator<Item = (&str, BTreeSet<&'static str>)> {
        let topics =
            |events: &BTreeSet<EventType>| events.iter().map(|e| e.topic().name()).collect();
        self.0.iter().map(move |(service, events)| (service.as_str(), topics(events)))
    }

    /// Who must keep a record that nobody can process: its readers, but for those who need not even look at an
    /// event of its type.
    fn keepers<'r>(&'r self, record: &'r Record) -> impl Iterator<Item = &'r String> {
        let name = record.header(envelope::TYPE).and_then(|name| str::from_utf8(name).ok());
        let named = name.and_then(EventType::from_name);
        let named = named.filter(|event| event.topic().name() == record.topic);
        let keeps = move |handled: &BTreeSet<EventType>| match named {
            Some(event) => handled.contains(&event),
            None => handled.iter().any(|event| event.topic().name() == record.topic),
        };
        self.0.iter().filter(move |(_, handled)| keeps(handled)).map(|(service, _)| service)
    }

    /// Poison of every kind on every topic that somebody reads.
    fn poison(&self) -> Vec<(NewRecord, &'static str)> {
        let handled: BTreeSet<_> = self.0.values().flatten().collect();
        // Sound, and told of an order that nobody has placed.
        let stray = Delivery::new(sample(EventType::ExpirationCompleted)).published();
        let poison = handled.into_iter().flat_map(|event| poison(*event));
        poison.chain([(stray, "an order that nobody has placed")]).collect()
    }
}

/// What was planted.
#[derive(Debug, Default)]
pub struct Planted {
    records: Vec<NewRecord>,
    /// How many of them the brokers have acknowledged.
    pub acknowledged: u32,
}

impl Planted {
    /// Whether a record is one of them. Republished ones are as well, at other places.
    pub fn holds(&self, record: &Record) -> bool {
        self.records.iter().any(|planted| {
            planted.topic == record.topic
                && planted.key == record.key
                && planted.payload == record.payload
                && planted.headers == record.headers
        })
    }

    /// The dead letters that must be: one of each of them for each service that must keep it.
    pub async fn letters(&self, brokers: &str, readers: &Readers) -> Result<BTreeSet<DeadLetter>> {
        let topics: BTreeSet<_> =
            self.records.iter().map(|planted| planted.topic.as_str()).collect();
        let topics: Vec<_> = topics.into_iter().collect();
        let mut letters = BTreeSet::new();
        read_all(brokers, &topics, |record| {
            if self.holds(&record) {
                letters.extend(readers.keepers(&record).map(|service| DeadLetter {
                    service: service.clone(),
                    topic: record.topic.clone(),
                    partition: record.partition,
                    offset: record.offset,
                }));
            }
        })
        .await?;
        Ok(letters)
    }
}

/// Plants a handful until then. Brokers that are away are waited for, and may have taken a record that they do
/// not answer: what counts is what is on the topics in the end.
pub async fn plant(
    brokers: &str,
    readers: &Readers,
    random: &mut impl Rng,
    until: Instant,
) -> Planted {
    let (begun, kinds) = (Instant::now(), readers.poison());
    let pause = until.saturating_duration_since(begun) / HANDFUL;
    let (mut records, mut planting) = (Vec::new(), JoinSet::new());
    for number in 0..HANDFUL {
        let (record, complaint) = &kinds[random.random_range(0..kinds.len())];
        let share: f64 = random.random_range(0.0..1.0);
        sleep_until(begun + pause * number + pause.mul_f64(share)).await;
        let at = begun.elapsed().as_secs_f64();
        say(&format!("{at:>6.1} s  poison on {}: {complaint}", record.topic));
        records.push(record.clone());
        let (brokers, record) = (brokers.to_owned(), record.clone());
        planting.spawn(async move { produce(&brokers, &[record]).await.is_ok() });
    }
    let planted = planting.join_all().await;
    let acknowledged = planted.into_iter().map(u32::from).sum();
    Planted { records, acknowledged }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(new: NewRecord) -> Record {
        let NewRecord { topic, key, headers, payload, .. } = new;
        Record { topic, partition: 0, offset: 0, time: None, key, headers, payload }
    }

    #[test]
    fn all_readers_of_a_topic_keep_what_says_no_type_and_handlers_what_says_one() {
        let readers = Readers::documented().unwrap();
        let keepers = |record: &Record| readers.keepers(record).cloned().collect::<Vec<_>>();
        let reserved = record(Delivery::new(sample(EventType::InventoryReserved)).published());
        assert_eq!(keepers(&reserved), ["orders", "payments"]);
        let failed = sample(EventType::InventoryReservationFailed);
        let failed = record(Delivery::new(failed).published());
        assert_eq!(keepers(&failed), ["orders"], "payments does not look at it");
        let untyped = Record { headers: Vec::new(), ..failed.clone() };
        assert_eq!(keepers(&untyped), ["orders", "payments"]);
        let foreign = Record { topic: "expiration.v1".into(), ..failed };
        assert_eq!(keepers(&foreign), ["orders"]);
        let updated = record(Delivery::new(sample(EventType::OrderUpdated)).published());
        assert!(keepers(&updated).is_empty(), "orders tails it for its streams");
    }

    #[test]
    fn what_is_planted_is_known_wherever_it_turns_up() {
        let readers = Readers::documented().unwrap();
        let kinds = readers.poison();
        let topics: BTreeSet<_> = kinds.iter().map(|(record, _)| record.topic.clone()).collect();
        assert_eq!(topics.len(), contracts::topic::Topic::ALL.len());
        let planted = Planted { records: vec![kinds[0].0.clone()], acknowledged: 1 };
        let found = record(kinds[0].0.clone());
        assert!(planted.holds(&Record { offset: 7, ..found.clone() }));
        assert!(!planted.holds(&Record { payload: Some(b"{}".into()), ..found.clone() }));
        assert!(!planted.holds(&Record { key: None, ..found.clone() }));
        assert!(!planted.holds(&Record { headers: Vec::new(), ..found }));
    }
}
