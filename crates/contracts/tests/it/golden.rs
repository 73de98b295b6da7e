//! `golden/<topic>/<Event>.json` holds the required fields alone,
//! `<Event>.full.json` the optional ones as well: one compact line each, in the
//! order of the struct, so that bytes can be compared and every digit counts.

use std::{collections::BTreeSet, fs, path::PathBuf};

use contracts::{
    events::{Event, EventType},
    topic::Topic,
};

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("golden")
}

fn sample(event_type: EventType, suffix: &str) -> Option<String> {
    let path = folder().join(event_type.topic().name()).join(format!("{event_type}{suffix}"));
    Some(fs::read_to_string(path).ok()?.trim_end().to_owned())
}

/// The body with required fields alone.
pub fn minimal(event_type: EventType) -> String {
    sample(event_type, ".json").unwrap_or_else(|| panic!("{event_type} has no golden sample"))
}

/// The body with every field.
pub fn full(event_type: EventType) -> String {
    sample(event_type, ".full.json").unwrap_or_else(|| minimal(event_type))
}

#[test]
fn every_sample_parses_and_prints_back() {
    for &event_type in EventType::ALL {
        for golden in [minimal(event_type), full(event_type)] {
            let event = Event::decode(event_type, golden.as_bytes()).unwrap();
            assert_eq!(event.event_type(), event_type);
            assert_eq!(event.topic(), event_type.topic());
            assert_eq!(event.trace_id().to_string(), "4bf92f3577b34da6a3ce929d0e0e4736");
            assert_eq!(String::from_utf8(event.to_json()).unwrap(), golden);
        }
    }
}

#[test]
fn every_file_is_the_sample_of_an_event() {
    let expected: BTreeSet<PathBuf> = EventType::ALL
        .iter()
        .flat_map(|event| {
            let topic = folder().join(event.topic().name());
            [".json", ".full.json"].map(|suffix| topic.join(format!("{event}{suffix}")))
        })
        .collect();
    for topic in fs::read_dir(folder()).unwrap() {
        for file in fs::read_dir(topic.unwrap().path()).unwrap() {
            let path = file.unwrap().path();
            assert!(expected.contains(&path), "{} belongs to no event", path.display());
        }
    }
}

#[test]
fn events_are_keyed_by_their_aggregate() {
    for &event_type in EventType::ALL {
        let field = match event_type.topic() {
            Topic::Users if event_type == EventType::SigningKeyPublished => "keyId",
            Topic::Users => "userId",
            Topic::Products | Topic::Stock => "sku",
            _ => "orderId",
        };
        let golden = minimal(event_type);
        let event = Event::decode(event_type, golden.as_bytes()).unwrap();
        let json: serde_json::Value = serde_json::from_str(&golden).unwrap();
        assert_eq!(json[field], event.key(), "{event_type}");
    }
}

#[test]
fn every_event_is_found_by_its_name() {
    for &event_type in EventType::ALL {
        assert_eq!(EventType::from_name(event_type.name()), Some(event_type));
    }
    assert_eq!(EventType::from_name("orderCreated"), None);
}
