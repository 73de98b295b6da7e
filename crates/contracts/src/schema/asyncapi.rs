//! Channels are topics, messages are events, operations are what each service
//! publishes and reads.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::{
    consumers::Consumers,
    event::{key, resolved, schema},
};
use crate::{envelope as header, events::EventType, topic::Topic};

/// What holds for all topics.
pub(super) const INTRODUCTION: &str = "\
    The events that the services of Boutique exchange over Kafka. An installation may put a prefix \
    before the names of its topics. A record's body is JSON, its headers are CloudEvents in binary \
    mode with a W3C trace context; all events of one key are in order. Every event may be delivered \
    more than once: deduplicate by `ce_id`. Ignore fields, and skip types, that you do not know.";

/// What the consumers of a service put on its own topic.
const DEAD_LETTERS: &str = "dead-letters";

pub(super) fn document(consumers: &Consumers) -> Value {
    let mut channels: BTreeMap<String, Value> =
        Topic::ALL.iter().map(|topic| (topic.name().to_owned(), channel(*topic))).collect();
    channels.insert(DEAD_LETTERS.to_owned(), dead_letters(consumers));

    let mut operations = BTreeMap::new();
    for topic in Topic::ALL {
        let id = format!("{}.publishes.{topic}", topic.producer());
        let all: Vec<_> = events(*topic).collect();
        operations.insert(id, operation("send", topic.producer(), topic.name(), &all));
        for (service, wanted) in consumers {
            let read: Vec<_> = events(*topic).filter(|event| wanted.contains(event)).collect();
            if !read.is_empty() {
                let id = format!("{service}.reads.{topic}");
                operations.insert(id, operation("receive", service, topic.name(), &read));
            }
        }
    }

    json!({
        "asyncapi": "3.0.0",
        "info": {
            "title": "Boutique",
            "version": env!("CARGO_PKG_VERSION"),
            "description": INTRODUCTION,
            "license": { "name": "MIT" },
        },
        "defaultContentType": "application/json",
        "channels": channels,
        "operations": operations,
        "components": {
            "messages": EventType::ALL
                .iter()
                .map(|event| (event.name().to_owned(), message(*event)))
                .collect::<BTreeMap<_, _>>(),
            "schemas": { "Headers": headers() },
        },
    })
}

pub(super) fn events(topic: Topic) -> impl Iterator<Item = EventType> {
    EventType::ALL.iter().copied().filter(move |event| event.topic() == topic)
}

fn channel(topic: Topic) -> Value {
    let messages: BTreeMap<_, _> = events(topic)
        .map(|event| (event.name(), json!({ "$ref": format!("#/components/messages/{event}") })))
        .collect();
    json!({
        "address": topic.name(),
        "description": about(topic),
        "messages": messages,
        "bindings": { "kafka": { "topic": topic.name(), "bindingVersion": "0.5.0" } },
    })
}

pub(super) fn about(topic: Topic) -> String {
    format!("Published by {} alone. The key is {}.", topic.producer(), keys(topic))
}

/// The fields that are the keys of a topic's records.
pub(super) fn keys(topic: Topic) -> String {
    let keys: BTreeSet<_> = events(topic).map(|event| format!("`{}`", key(event))).collect();
    keys.into_iter().collect::<Vec<_>>().join(" or ")
}

fn operation(action: &str, service: &str, topic: &str, events: &[EventType]) -> Value {
    let verb = if action == "send" { "publishes" } else { "reads" };
    let names: Vec<_> = events.iter().map(|event| event.name()).collect();
    let channel = format!("#/channels/{topic}");
    let messages: Vec<_> =
        names.iter().map(|name| json!({ "$ref": format!("{channel}/messages/{name}") })).collect();
    json!({
        "action": action,
        "summary": format!("{service} {verb} {}.", names.join(", ")),
        "channel": { "$ref": channel },
        "messages": messages,
        "tags": [{ "name": service }],
    })
}

fn message(event: EventType) -> Value {
    let body = schema(event);
    let key = key(event);
    let mut key_schema = resolved(&body, &body["properties"][&key]).clone();
    key_schema["description"] = format!("`{key}` of the body.").into();
    json!({
        "name": event.name(),
        "summary": body["description"],
        "contentType": "application/json",
        "headers": {
            "allOf": [
                { "$ref": "#/components/schemas/Headers" },
                {
                    "type": "object",
                    "properties": {
                        header::CE_TYPE: { "const": header::ce_type(event) },
                        header::CE_SUBJECT: key_schema,
                        header::CORRELATION_ID: key_schema,
                        header::TYPE: { "const": event.name() },
                        header::CE_SOURCE: {
                            "examples": [format!("/boutique/{}", event.topic().producer())],
                        },
                    },
                },
            ],
        },
        "payload": { "$ref": format!("./{}/{event}.json", event.topic()) },
        "correlationId": { "location": format!("$message.header#/{}", header::CORRELATION_ID) },
        "bindings": { "kafka": { "key": key_schema, "bindingVersion": "0.5.0" } },
    })
}

/// The headers of every record; all of them are required.
pub(super) fn headers() -> Value {
    let properties = json!({
        header::CE_ID: { "type": "string", "format": "uuid",
            "description": "Id of the event (UUIDv7), the same on every delivery of it." },
        header::CE_TYPE: { "type": "string",
            "description": "`boutique.<topic>.<event>`." },
        header::CE_SOURCE: { "type": "string", "format": "uri-reference",
            "description": "`/boutique/<service>`." },
        header::CE_TIME: { "type": "string", "format": "date-time",
            "description": "When it happened, by the producer's database." },
        header::CE_SUBJECT: { "type": "string",
            "description": "Id of the aggregate." },
        header::CE_SPECVERSION: { "const": header::SPECVERSION,
            "description": "The version of CloudEvents." },
        header::CONTENT_TYPE: { "const": header::JSON,
            "description": "How the body is written." },
        header::TRACEPARENT: { "type": "string",
            "pattern": "^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}(-|$)",
            "description": "The W3C trace context of the step that published it." },
        header::TYPE: { "type": "string",
            "description": "The event's name, for consumers without CloudEvents." },
        header::TRACE_ID: { "type": "string", "pattern": "^[0-9a-f]{32}$",
            "description": "The trace id of `traceparent`, as in the body." },
        header::CORRELATION_ID: { "type": "string",
            "description": "The record's key." },
    });
    let mut required: Vec<_> =
        properties.as_object().into_iter().flatten().map(|(name, _)| name).collect();
    // The same in every build; only the members of objects are sorted where they are written.
    required.sort_unstable();
    json!({ "type": "object", "required": required, "properties": properties })
}

pub(super) fn dead_letters(consumers: &Consumers) -> Value {
    let services: Vec<_> = consumers.keys().collect();
    json!({
        "address": crate::topic::dead_letter_topic("{service}"),
        "description": "Copies of the records that a service could not process, for its operators.",
        "parameters": { "service": { "enum": services, "description": "Whose consumer gave up." } },
        "messages": {
            "DeadLetter": {
                "name": "DeadLetter",
                "summary": "A record as it came, with headers `dead-letter-…` that say where it \
                    was, what was wrong with it, and how often it was tried.",
            },
        },
    })
}
