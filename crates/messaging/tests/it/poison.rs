//! Records that can never be processed, among others that can.

use std::collections::HashMap;

use contracts::topic::dead_letter_topic;
use test_support::{
    Delivery,
    kafka::{NewRecord, Record, produce, read_until},
};

use crate::{
    bytes,
    handler::{Reaction, Recorder},
    world::{DeadLetter, Measured, PATIENCE, SERVICE, World, assert_seen_in_order, change},
};

/// What is wrong with a record, and a word that the errors of its dead letter have.
struct Poison {
    record: NewRecord,
    complaint: &'static str,
    /// Decoding it gave an event, so that it failed in the handler.
    handled: bool,
}

/// A record of stock.v1, of partition 0, in which nothing is wrong yet.
fn sound(world: &World, sku: &str, version: u64) -> NewRecord {
    let record = Delivery::new(change(sku, version)).record(&world.env);
    NewRecord { partition: Some(0), ..record }
}

fn set_header(record: &mut NewRecord, name: &str, value: &[u8]) {
    let header = record.headers.iter_mut().find(|(key, _)| key == name).unwrap();
    header.1 = value.to_vec();
}

fn edit(record: &mut NewRecord, from: &str, to: &str) {
    let text = String::from_utf8(record.payload.take().unwrap()).unwrap();
    assert!(text.contains(from), "{text}");
    record.payload = Some(text.replace(from, to).into_bytes());
}

fn poisons(world: &World) -> Vec<Poison> {
    let unreadable = |complaint, spoil: &dyn Fn(&mut NewRecord)| {
        let mut record = sound(world, "spoilt", 1);
        spoil(&mut record);
        Poison { record, complaint, handled: false }
    };
    let handled =
        |sku, complaint| Poison { record: sound(world, sku, 1), complaint, handled: true };
    let foreign = Delivery::new(contracts::events::ExpirationCompleted {
        order_id: contracts::ids::OrderId::from_uuid(uuid::Uuid::now_v7()),
        expired_at: chrono::DateTime::UNIX_EPOCH,
        trace_id: change("x", 1).trace_id,
    });
    vec![
        unreadable("not valid JSON", &|r| r.payload = Some(b"{\"type\":".to_vec())),
        unreadable("not valid JSON", &|r| r.payload = Some(b"\xff\xfe".to_vec())),
        unreadable("`version`", &|r| edit(r, "\"version\":1", "\"version\":\"one\"")),
        // An invariant: no stock is negative.
        unreadable("`available`", &|r| edit(r, "\"available\":10", "\"available\":-1")),
        unreadable("`type`", &|r| edit(r, "StockChanged", "OrderCreated")),
        unreadable("missing header `ce_id`", &|r| r.headers.retain(|(name, _)| name != "ce_id")),
        unreadable("missing header `type`", &|r| r.headers.clear()),
        unreadable("no body", &|r| r.payload = None),
        unreadable("`ce_subject`: must be UTF-8", &|r| set_header(r, "ce_subject", b"a\xff")),
        unreadable("`traceparent`", &|r| set_header(r, "traceparent", b"\0\0")),
        // As large as an event may be, with more headers than are copied; nothing packs it smaller.
        unreadable("not valid JSON", &|r| {
            r.payload = Some(noise(900_000));
            r.headers.push(("some".to_owned(), hex(60_000)));
            r.headers.push(("more".to_owned(), hex(30_000)));
        }),
        unreadable("not valid JSON", &|r| r.payload = Some(noise(950_000))),
        unreadable("not valid JSON", &|r| {
            r.payload = Some(b"x".to_vec());
            r.key = Some(vec![0; 200_000]);
            r.headers.push(("long".to_owned(), vec![b'h'; 600_000]));
        }),
        Poison {
            record: NewRecord {
                topic: world.env.topic("stock.v1"),
                partition: Some(0),
                ..foreign.record(&world.env)
            },
            complaint: "does not belong on stock.v1",
            handled: false,
        },
        handled("permanent", "the reason behind"),
        handled("panic", "not to the handler's taste"),
        handled("nul", "invalid byte sequence"),
        handled("swallow", "current transaction is aborted"),
    ]
}

/// Bytes that are no text and no pattern, and end as JSON never does.
fn noise(length: usize) -> Vec<u8> {
    let numbers =
        (0u64..).map(|n| (n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 29).wrapping_mul(n | 1));
    let mut noise: Vec<u8> = numbers.flat_map(u64::to_be_bytes).take(length - 1).collect();
    noise.push(b'{');
    noise
}

fn hex(length: usize) -> Vec<u8> {
    noise(length.div_ceil(2)).iter().flat_map(|byte| format!("{byte:02x}").into_bytes()).collect()
}

fn picky() -> Recorder {
    Recorder::new().reacting(|change| match change.sku.as_str() {
        "permanent" => Reaction::Permanent,
        "panic" => Reaction::Panic,
        "nul" => Reaction::Nul,
        "swallow" => Reaction::Swallow,
        _ => Reaction::Record,
    })
}

async fn copies(world: &World, count: usize) -> Vec<Record> {
    let topic = world.env.topic(&dead_letter_topic(SERVICE));
    let enough = |records: &[Record]| records.len() >= count;
    read_until(world.env.kafka_brokers(), &[&topic], PATIENCE, enough).await.unwrap()
}

fn text<'a>(record: &'a Record, header: &str) -> &'a str {
    let value = record.header(header).unwrap_or_else(|| panic!("no header {header}"));
    std::str::from_utf8(value).unwrap()
}

fn assert_kept_whole(dead: &DeadLetter, poison: &Poison, place: (i32, i64)) {
    let record = &poison.record;
    assert_eq!((dead.partition, dead.record_offset), place);
    assert_eq!(dead.topic, "stock.v1");
    assert_eq!(dead.key, record.key);
    assert_eq!(dead.payload, record.payload);
    let headers: Vec<_> =
        dead.header_names.iter().cloned().zip(dead.header_values.iter().cloned()).collect();
    assert_eq!(headers, record.headers);
    let errors = dead.errors.join(": ");
    assert!(errors.contains(poison.complaint), "{:?} instead of {}", dead.errors, poison.complaint);
    assert_eq!(dead.attempts, if poison.handled { 2 } else { 1 }, "{errors}");
    assert!(dead.first_failed_at <= dead.last_failed_at || poison.handled);
    if poison.handled {
        assert_eq!(dead.event_type.as_deref(), Some("StockChanged"));
        assert_eq!(dead.event_id.unwrap().to_string().as_bytes(), header(record, "ce_id"));
    }
}

fn header<'a>(record: &'a NewRecord, name: &str) -> &'a [u8] {
    &record.headers.iter().find(|(key, _)| key == name).unwrap().1
}

fn assert_copied(copy: &Record, dead: &DeadLetter, poison: &Poison) {
    assert_eq!(text(copy, "dead-letter-id"), dead.id.to_string());
    assert_eq!(text(copy, "dead-letter-service"), SERVICE);
    assert_eq!(text(copy, "dead-letter-topic"), "stock.v1");
    assert_eq!(text(copy, "dead-letter-partition"), "0");
    assert_eq!(text(copy, "dead-letter-offset"), dead.record_offset.to_string());
    assert_eq!(text(copy, "dead-letter-attempts"), dead.attempts.to_string());
    assert!(text(copy, "dead-letter-error").contains(poison.complaint));
    let payload = poison.record.payload.clone().unwrap_or_default();
    let whole = payload.len() <= 900_000;
    assert_eq!(text(copy, "dead-letter-body"), if whole { "whole" } else { "omitted" });
    assert_eq!(copy.payload.clone().unwrap_or_default(), if whole { payload } else { Vec::new() });
    assert!(copy.headers.iter().map(|(n, v)| n.len() + v.len()).sum::<usize>() < 100_000);
}

#[tokio::test]
async fn each_is_one_dead_letter_and_all_others_are_processed() {
    let world = World::new().await;
    let poisons = poisons(&world);
    // A sound record in front of each and one at the end, all in one partition.
    let mut records: Vec<_> = (1..)
        .zip(&poisons)
        .flat_map(|(version, poison)| [sound(&world, "sound", version), poison.record.clone()])
        .collect();
    let last = u64::try_from(poisons.len() + 1).unwrap();
    records.push(sound(&world, "sound", last));
    let places = produce(world.env.kafka_brokers(), &records).await.unwrap();

    let relay = world.relay();
    let consumer = world.consumer(picky());
    world.committed_are("stock.v1", records.len()).await;
    let seen = world.seen().await;
    assert_seen_in_order(&seen, 1, last);

    let dead = world.dead_letters().await;
    assert_eq!(dead.len(), poisons.len());
    world.outbox_is_empty().await;
    let copies: HashMap<_, _> = copies(&world, poisons.len())
        .await
        .into_iter()
        .map(|copy| (text(&copy, "dead-letter-offset").parse::<i64>().unwrap(), copy))
        .collect();
    assert_eq!(copies.len(), poisons.len());
    for ((dead, poison), place) in dead.iter().zip(&poisons).zip(places.iter().skip(1).step_by(2)) {
        assert_kept_whole(dead, poison, *place);
        assert_copied(&copies[&place.1], dead, poison);
    }
    consumer.stop().await;

    // All of it again, from the beginning.
    world.rewind("stock.v1").await;
    produce(world.env.kafka_brokers(), &[sound(&world, "last", 1)]).await.unwrap();
    let consumer = world.consumer(picky());
    world.committed_are("stock.v1", records.len() + 1).await;
    assert_eq!(world.count("dead_letters").await, poisons.len());
    assert_eq!(world.count("seen").await, seen.len() + 1);
    // One more, behind which a second copy of any of them would be.
    produce(world.env.kafka_brokers(), &[sound(&world, "permanent", 2)]).await.unwrap();
    let again = self::copies(&world, poisons.len() + 1).await;
    world.outbox_is_empty().await;
    let offsets: std::collections::HashSet<_> =
        again.iter().map(|copy| text(copy, "dead-letter-offset").to_owned()).collect();
    assert_eq!(offsets.len(), again.len(), "a copy was published twice");
    consumer.stop().await;
    relay.stop().await;
}

/// The client library panics on it.
#[tokio::test]
async fn a_header_whose_name_is_not_utf8_is_a_dead_letter_with_the_other_headers() {
    let world = World::new().await;
    let topic = world.env.topic("stock.v1");
    let headers: [(&[u8], &[u8]); 3] = [(b"first", b"1"), (b"b\xffd", b"2"), (b"last", b"3")];
    bytes::produce(world.env.kafka_brokers(), &topic, 0, &headers, b"{}").await;
    produce(world.env.kafka_brokers(), &[sound(&world, "sound", 1)]).await.unwrap();

    let relay = world.relay();
    let consumer = world.consumer(picky());
    world.seen_are(1).await;
    let dead = world.dead_letters().await;
    assert_eq!(dead.len(), 1);
    assert_eq!(dead[0].header_names, ["first", "\u{fffd}", "last"]);
    assert_eq!(dead[0].header_values, [&b"1"[..], b"", b"3"]);
    assert_eq!(dead[0].payload.as_deref(), Some(&b"{}"[..]));
    assert!(dead[0].errors[0].contains("not UTF-8"), "{dead:?}");
    let copy = copies(&world, 1).await.remove(0);
    assert_eq!(text(&copy, "first"), "1");
    assert_eq!(text(&copy, "last"), "3");
    consumer.stop().await;
    relay.stop().await;
}

#[tokio::test]
async fn a_type_that_nobody_knows_yet_is_skipped_and_counted() {
    let measured = Measured::in_this_thread();
    let world = World::new().await;
    let mut newer = sound(&world, "newer", 1);
    set_header(&mut newer, "type", b"StockTaken");
    let records = [newer, sound(&world, "sound", 1)];
    produce(world.env.kafka_brokers(), &records).await.unwrap();
    let consumer = world.consumer(picky());
    world.committed_are("stock.v1", 2).await;
    assert_eq!(world.seen().await.len(), 1);
    assert_eq!(world.count("dead_letters").await, 0);
    assert!((measured.value("unknown_events_total") - 1.0).abs() < 0.1);
    consumer.stop().await;
}
