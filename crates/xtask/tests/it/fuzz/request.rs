//! Requests as they go over the wire, and right ones to begin with.

use std::fmt;

use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, RngExt};
use serde_json::{Map, Value, json};

use super::document::{Operation, Parameter};
use super::world::{WEBHOOK_SECRET, World};
use crate::webhook::signature;

/// A request, of whatever bytes.
#[derive(Clone)]
pub struct Request {
    pub method: String,
    pub path: String,
    /// Without the `?`.
    pub query: String,
    pub headers: Vec<(String, Vec<u8>)>,
    pub body: Option<Vec<u8>>,
    /// Whether its access token is one that lets somebody in.
    pub is_signed_in: bool,
    /// Whether all of its body comes. Otherwise the client hangs up after what it has sent.
    pub is_whole: bool,
}

impl Request {
    pub fn set(&mut self, name: &str, value: impl Into<Vec<u8>>) {
        self.remove(name);
        self.headers.push((name.to_owned(), value.into()));
    }

    pub fn remove(&mut self, name: &str) {
        self.headers.retain(|(known, _)| !known.eq_ignore_ascii_case(name));
    }

    pub fn header(&self, name: &str) -> Option<&[u8]> {
        let found = self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_slice())
    }

    /// As it goes over the wire, but for its body.
    pub fn head(&self) -> Vec<u8> {
        let separator = if self.query.is_empty() { "" } else { "?" };
        let mut head =
            format!("{} {}{separator}{} HTTP/1.1\r\n", self.method, self.path, self.query)
                .into_bytes();
        for (name, value) in &self.headers {
            head.extend([name.as_bytes(), b": ", value, b"\r\n"].concat());
        }
        head.extend(b"\r\n");
        head
    }
}

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let body = self.body.as_deref().unwrap_or_default();
        for part in [self.head().as_slice(), body] {
            let shown = &part[..part.len().min(2000)];
            write!(f, "{}", shown.escape_ascii().to_string().replace("\\r\\n", "\n"))?;
        }
        Ok(())
    }
}

/// One that the operation should do as it is asked.
pub fn right(operation: &Operation, world: &World, random: &mut StdRng) -> Request {
    let mut request = Request {
        method: operation.method.clone(),
        path: operation.path.clone(),
        query: String::new(),
        headers: vec![
            ("Host".to_owned(), b"localhost".to_vec()),
            ("Connection".to_owned(), b"close".to_vec()),
        ],
        body: None,
        is_signed_in: false,
        is_whole: true,
    };
    if operation.is_secured {
        let token = if operation.is_admins {
            &world.admin
        } else {
            world.customers.choose(random).unwrap()
        };
        request.set("Authorization", format!("Bearer {token}"));
        request.is_signed_in = true;
    }
    let mut query = Vec::new();
    for parameter in &operation.parameters {
        if !parameter.is_required && random.random_bool(0.5) {
            continue;
        }
        let value = text(&parameter_value(operation, parameter, world, random));
        match parameter.place.as_str() {
            "path" => {
                request.path = request.path.replace(&format!("{{{}}}", parameter.name), &value);
            }
            "query" => query.push(format!("{}={value}", parameter.name)),
            _ => request.set(&parameter.name, value),
        }
    }
    request.query = query.join("&");
    if let Some(schema) = &operation.body {
        let body = value(operation, "", schema, world, random).to_string();
        set_json(&mut request, body.into_bytes());
    }
    request
}

/// Gives a request a body, as the clients of each service do.
pub fn set_json(request: &mut Request, body: Vec<u8>) {
    request.set("Content-Type", "application/json");
    request.set("Content-Length", body.len().to_string());
    if request.header("webhook-signature").is_some() {
        request.set("webhook-signature", signature(WEBHOOK_SECRET, &body));
    }
    request.body = Some(body);
}

/// As it stands in a path, a query or a header.
fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn parameter_value(
    operation: &Operation,
    parameter: &Parameter,
    world: &World,
    random: &mut StdRng,
) -> Value {
    match parameter.name.as_str() {
        "If-Match" => json!("*"),
        "Last-Event-ID" => json!("1755253800123456"),
        "Idempotency-Key" => json!(format!("fuzz-{}", random.random_range(0..200_u32))),
        "cursor" => json!(world.cursor(operation)),
        "status" => json!("PENDING"),
        "q" => json!("mug"),
        name => value(operation, name, &parameter.schema, world, random),
    }
}

/// A value that a schema allows, with what is known in the shop where a name asks for it.
fn value(
    operation: &Operation,
    name: &str,
    schema: &Value,
    world: &World,
    random: &mut StdRng,
) -> Value {
    if let Some(known) = world.known(operation, name, random) {
        return known;
    }
    if let Some(reference) = schema["$ref"].as_str() {
        let target = operation.document.pointer(reference.trim_start_matches('#')).unwrap();
        return value(operation, name, target, world, random);
    }
    let options = schema["oneOf"].as_array().or(schema["anyOf"].as_array());
    if let Some(options) = options {
        let chosen = options.iter().find(|option| option["type"] != "null").unwrap();
        return value(operation, name, chosen, world, random);
    }
    if let Some(values) = schema["enum"].as_array() {
        return values.choose(random).cloned().unwrap();
    }
    if !schema["example"].is_null() {
        return schema["example"].clone();
    }
    let kinds = schema["type"].as_array().map_or_else(
        || schema["type"].as_str().into_iter().collect(),
        |kinds| kinds.iter().filter_map(Value::as_str).collect::<Vec<_>>(),
    );
    match kinds.into_iter().find(|kind| *kind != "null").unwrap_or_default() {
        "object" => object(operation, schema, world, random),
        "array" => {
            let items = 0..random.random_range(1..=3);
            items.map(|_| value(operation, name, &schema["items"], world, random)).collect()
        }
        "integer" | "number" => {
            let least = schema["minimum"].as_u64().unwrap_or(0);
            json!(random.random_range(least..=schema["maximum"].as_u64().unwrap_or(100).min(100)))
        }
        "boolean" => json!(random.random_bool(0.5)),
        _ => {
            let least = schema["minLength"].as_u64().unwrap_or(1);
            json!("x".repeat(usize::try_from(least).unwrap() + random.random_range(0..4)))
        }
    }
}

fn object(operation: &Operation, schema: &Value, world: &World, random: &mut StdRng) -> Value {
    let mut fields = Map::new();
    for (name, field) in schema["properties"].as_object().into_iter().flatten() {
        let is_required =
            schema["required"].as_array().is_some_and(|names| names.contains(&json!(name)));
        if is_required || random.random_bool(0.7) {
            fields.insert(name.clone(), value(operation, name, field, world, random));
        }
    }
    Value::Object(fields)
}

/// Some of the bytes a client might make up.
pub fn noise(random: &mut StdRng) -> Vec<u8> {
    let mut bytes = vec![0; random.random_range(0..64)];
    random.fill_bytes(&mut bytes);
    bytes
}
