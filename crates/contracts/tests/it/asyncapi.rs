//! The document of all topics tells what is in the code.

use std::{collections::BTreeSet, path::Path};

use chrono::DateTime;
use contracts::{
    envelope::Envelope,
    events::{Event, EventType},
    schema::{self, ASYNCAPI},
    topic::Topic,
    trace::TraceContext,
};
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::golden::full;

fn document() -> Value {
    let services = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../services");
    schema::documents(&services).unwrap().remove(Path::new(ASYNCAPI)).unwrap()
}

/// The `$ref`s anywhere in a value.
fn references(value: &Value) -> Vec<&str> {
    match value {
        Value::Object(object) => {
            let own = object.get("$ref").and_then(Value::as_str);
            own.into_iter().chain(object.values().flat_map(references)).collect()
        }
        Value::Array(values) => values.iter().flat_map(references).collect(),
        _ => Vec::new(),
    }
}

fn headers(event_type: EventType) -> Value {
    let event = Event::decode(event_type, full(event_type).as_bytes()).unwrap();
    let time = DateTime::from_timestamp_micros(1_755_253_800_000_001).unwrap();
    let trace = TraceContext::new([1; 16], [2; 8]);
    let service = event.topic().producer();
    let envelope = Envelope::new(&event, service, Uuid::from_u128(7), time, trace);
    let headers = envelope.headers();
    headers.iter().map(|(name, value)| ((*name).to_owned(), Value::from(value.as_ref()))).collect()
}

#[test]
fn every_reference_leads_somewhere() {
    let document = document();
    let references = references(&document);
    assert!(references.len() > EventType::ALL.len());
    for reference in references {
        let found = match reference.split_once('#') {
            Some(("", pointer)) => document.pointer(pointer).is_some(),
            _ => schema::schemas().contains_key(Path::new(reference.trim_start_matches("./"))),
        };
        assert!(found, "{reference}");
    }
}

#[test]
fn the_headers_of_every_event_are_those_described() {
    let document = document();
    let common = &document["components"]["schemas"]["Headers"];
    for &event in EventType::ALL {
        let headers = headers(event);
        let described = &document["components"]["messages"][event.name()]["headers"]["allOf"];
        for schema in [common, &described[1]] {
            let options = jsonschema::draft202012::options().should_validate_formats(true);
            let validator = options.build(schema).unwrap();
            let errors: Vec<_> = validator.iter_errors(&headers).map(|e| e.to_string()).collect();
            assert_eq!(errors, Vec::<String>::new(), "{event}");
        }
        let names = |value: &Value| value.as_object().map(Map::len);
        assert_eq!(names(&headers), names(&common["properties"]), "{event}");
        assert_eq!(names(&headers), common["required"].as_array().map(Vec::len), "{event}");
    }
}

#[test]
fn every_topic_is_published_by_one_service_with_all_its_events() {
    let document = document();
    for topic in Topic::ALL {
        let operation = format!("{}.publishes.{topic}", topic.producer());
        let published = &document["operations"][&operation]["messages"];
        let published: BTreeSet<_> = references(published).into_iter().collect();
        let on_channel = &document["channels"][topic.name()]["messages"];
        let expected: BTreeSet<_> = EventType::ALL
            .iter()
            .filter(|event| event.topic() == *topic)
            .map(|event| format!("#/channels/{topic}/messages/{event}"))
            .collect();
        assert_eq!(published, expected.iter().map(String::as_str).collect());
        assert_eq!(on_channel.as_object().unwrap().len(), expected.len());
    }
}

#[test]
fn what_services_read_is_told() {
    let document = document();
    let read = |operation: &str| references(&document["operations"][operation]["messages"]).len();
    // By the handler alone, by the tail alone, and by nobody.
    assert_eq!(read("products.reads.stock.v1"), 1);
    assert_eq!(read("orders.reads.fulfillment.v1"), 2);
    assert_eq!(read("auth.reads.users.v1"), 0);
}
