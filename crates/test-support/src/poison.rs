//! Records of every kind that nobody can process, and what must become of them.
//!
//! What a handler fails on, or panics over, is each service's own; messaging has the tests of that.

#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "only tests call it, and they end by a panic"
)]

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use contracts::envelope;
use contracts::events::{Event, EventType};
use contracts::topic::{Topic, dead_letter_topic};
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::kafka::{NewRecord, Record, produce, read_until};
use crate::stack::checkout;
use crate::{Delivery, TestEnv, eventually};

const PATIENCE: Duration = Duration::from_mins(1);

/// As large as an event may be.
const LARGE: usize = 900_000;

/// A record, and a word that the errors of its dead letter have.
struct Poison {
    record: NewRecord,
    complaint: &'static str,
}

/// The event of the golden sample.
///
/// # Panics
///
/// When there is none.
pub fn sample(event_type: EventType) -> Event {
    let path = format!("crates/contracts/golden/{}/{event_type}.json", event_type.topic());
    let json = std::fs::read(checkout().join(path)).expect("a golden sample");
    Event::decode(event_type, &json).expect("a golden sample that can be read")
}

/// Poison of every kind, as events of that type, on topics without a prefix; with each a word that the errors
/// of its dead letter have. Whoever handles the type must keep all of them.
///
/// # Panics
///
/// When there is no golden sample.
pub fn poison(event_type: EventType) -> Vec<(NewRecord, &'static str)> {
    let poisons = large(event_type).into_iter().chain(small(event_type));
    poisons.map(|Poison { record, complaint }| (record, complaint)).collect()
}

/// Sends poison of every kind, as every type in `handles`, on all of their topics, and behind it on each
/// topic a good event; returns when all is as it must be: the good ones are processed, and each of the others
/// is a dead letter of `pool` and on the service's dead letter topic, with the right complaint.
///
/// `good` gives a topic's good event; its argument is the first type of the topic. The service must run.
///
/// # Panics
///
/// When it is otherwise after a minute.
pub async fn poison_blocks_nothing(
    env: &TestEnv,
    pool: &PgPool,
    handles: &[EventType],
    good: impl Fn(EventType) -> Event,
) {
    let mut by_topic: BTreeMap<Topic, Vec<EventType>> = BTreeMap::new();
    for &event_type in handles {
        by_topic.entry(event_type.topic()).or_default().push(event_type);
    }
    let (mut expected, mut behind) = (HashMap::new(), Vec::new());
    for (topic, event_types) in by_topic {
        let mut poisons = large(event_types[0]);
        poisons.extend(event_types.iter().flat_map(|&event_type| small(event_type)));
        let good = Delivery::new(good(event_types[0]));
        assert_eq!(good.event.topic(), topic, "a good event for its topic");
        let records: Vec<_> = poisons
            .iter()
            .map(|poison| &poison.record)
            .chain([&good.published()])
            .map(|record| in_one_partition(env, record))
            .collect();
        let places = produce(env.kafka_brokers(), &records).await.expect("Kafka takes the records");
        for (poison, (_, offset)) in poisons.iter().zip(places) {
            expected.insert((topic.name().to_owned(), offset), poison.complaint);
        }
        behind.push(good.id);
    }
    processed(pool, &behind).await;
    kept(pool, &expected).await;
    copied(env, &expected).await;
}

/// So that what is behind is processed later.
fn in_one_partition(env: &TestEnv, record: &NewRecord) -> NewRecord {
    NewRecord { topic: env.topic(&record.topic), partition: Some(0), ..record.clone() }
}

type Expected = HashMap<(String, i64), &'static str>;

async fn processed(pool: &PgPool, events: &[uuid::Uuid]) {
    eventually(PATIENCE, async || {
        let processed: i64 =
            sqlx::query_scalar("SELECT count(*) FROM processed_events WHERE event_id = ANY($1)")
                .bind(events)
                .fetch_one(pool)
                .await
                .ok()?;
        (usize::try_from(processed) == Ok(events.len())).then_some(())
    })
    .await;
}

async fn kept(pool: &PgPool, expected: &Expected) {
    let letters: Vec<(String, i64, Vec<String>)> =
        sqlx::query_as("SELECT topic, record_offset, errors FROM dead_letters")
            .fetch_all(pool)
            .await
            .expect("the dead letters");
    for (topic, offset, errors) in &letters {
        let complaint = expected.get(&(topic.clone(), *offset));
        let complaint = complaint.unwrap_or_else(|| panic!("not poison, but failed: {errors:?}"));
        assert!(errors.join(": ").contains(complaint), "{errors:?} instead of {complaint}");
    }
    assert_eq!(letters.len(), expected.len(), "not all of it became dead letters");
}

async fn copied(env: &TestEnv, expected: &Expected) {
    let text = |record: &Record, name| {
        let value = record.header(name).expect("a header of the copy");
        String::from_utf8(value.to_vec()).expect("UTF-8")
    };
    let place = |record: &Record| {
        let offset = text(record, "dead-letter-offset").parse().expect("an offset");
        (text(record, "dead-letter-topic"), offset)
    };
    let all: BTreeSet<(String, i64)> = expected.keys().cloned().collect();
    let topic = env.topic(&dead_letter_topic(env.service()));
    read_until(env.kafka_brokers(), &[&topic], PATIENCE, |records| {
        records.iter().map(place).collect::<BTreeSet<_>>() == all
    })
    .await
    .expect("a copy of each on the dead letter topic");
}

fn large(event_type: EventType) -> Vec<Poison> {
    vec![spoilt(event_type, "not valid JSON", |record| {
        record.payload = Some(vec![b'x'; LARGE]);
    })]
}

fn small(event_type: EventType) -> Vec<Poison> {
    let spoilt = |complaint, spoil: &dyn Fn(&mut NewRecord)| spoilt(event_type, complaint, spoil);
    let mut poisons = vec![
        spoilt("not valid JSON", &|r| r.payload = Some(b"{\"type\":".to_vec())),
        spoilt("not valid JSON", &|r| r.payload = Some(b"\xff\xfe\0".to_vec())),
        spoilt("expected an object", &|r| r.payload = Some(b"[]".to_vec())),
        spoilt("no body", &|r| r.payload = None),
        spoilt("missing header `type`", &|r| r.headers.clear()),
        spoilt("missing header `ce_id`", &|r| r.headers.retain(|(name, _)| name != "ce_id")),
        spoilt("header `ce_subject`: must be UTF-8", &|r| set(r, envelope::CE_SUBJECT, b"a\xff")),
        spoilt("header `ce_specversion`", &|r| set(r, envelope::CE_SPECVERSION, b"2.0")),
        spoilt("header `ce_type`", &|r| {
            let newer = format!(
                "boutique.{}.{event_type}",
                event_type.topic().name().replace(".v1", ".v2")
            );
            set(r, envelope::CE_TYPE, newer.as_bytes());
        }),
        foreign(event_type.topic()),
    ];
    poisons.extend(broken_invariants(event_type).into_iter().map(|(complaint, body)| {
        spoilt(complaint, &|r| r.payload = Some(body.to_string().into_bytes()))
    }));
    poisons
}

fn spoilt(
    event_type: EventType,
    complaint: &'static str,
    spoil: impl Fn(&mut NewRecord),
) -> Poison {
    let mut record = Delivery::new(sample(event_type)).published();
    spoil(&mut record);
    Poison { record, complaint }
}

fn set(record: &mut NewRecord, name: &str, value: &[u8]) {
    let header = record.headers.iter_mut().find(|(header, _)| header == name);
    header.expect("the header").1 = value.to_vec();
}

/// An event that is sound, but of another topic.
fn foreign(topic: Topic) -> Poison {
    let other = EventType::ALL.iter().find(|event_type| event_type.topic() != topic);
    let record = Delivery::new(sample(*other.expect("another topic"))).published();
    let record = NewRecord { topic: topic.name().to_owned(), ..record };
    Poison { record, complaint: "does not belong on" }
}

/// Bodies of which one field is what it must never be.
fn broken_invariants(event_type: EventType) -> Vec<(&'static str, Value)> {
    let fields = [
        ("type", "`type`", json!("OrderPraised")),
        ("traceId", "`traceId`", json!("not hexadecimal")),
        ("orderId", "`orderId`", json!("cust_01k2pmez20eegr3cp3tkjzc1rr")),
        ("total", "`total`", json!(-1)),
        ("amount", "`amount`", json!(-1)),
        ("price", "`price`", json!(-1)),
        ("items", "`items`", json!([])),
        ("reservations", "`reservations`", json!([])),
        ("available", "`available`", json!(-1)),
    ];
    let sound: Value = serde_json::from_slice(&sample(event_type).to_json()).expect("JSON");
    let broken = fields.into_iter().filter_map(|(field, complaint, value)| {
        let mut body = sound.clone();
        *body.get_mut(field)? = value;
        Some((complaint, body))
    });
    broken.collect()
}
