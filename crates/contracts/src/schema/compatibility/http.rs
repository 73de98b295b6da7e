//! What may change in HTTP that was released.
//!
//! Clients of the last release ask services of this one, and read what those answer. So a request may be allowed more
//! than it was and never less, and an answer the other way round. Both are compared as the schemas that bodies have:
//! what a request is made of are its fields, and the statuses of success are those of an answer.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
};

use serde_json::{Map, Value, json};

use super::{
    compared,
    rules::{ANSWERS, REQUESTS, Rules},
};

/// What breaks clients, one sentence each. An OpenAPI document has the name of its service, such as `orders.json`.
pub fn breaking_http_changes(
    released: &BTreeMap<PathBuf, Value>,
    current: &BTreeMap<PathBuf, Value>,
) -> Vec<String> {
    let mut found = Vec::new();
    for (path, old) in released {
        let service = path.with_extension("").display().to_string();
        match current.get(path) {
            // The promise holds within a major version.
            Some(new) if major(old) != major(new) => {}
            Some(new) => found.extend(operations(&service, old, new)),
            None => found.push(format!("{service}: removed; clients ask it")),
        }
    }
    // All errors of a service are alike, and each operation tells of them.
    let mut told = BTreeSet::new();
    found.retain(|problem| told.insert(problem.clone()));
    found
}

fn major(document: &Value) -> Option<&str> {
    document["info"]["version"].as_str()?.split('.').next()
}

fn operations(service: &str, old: &Value, new: &Value) -> Vec<String> {
    let mut found = Vec::new();
    for (path, methods) in fields(&old["paths"]) {
        for (method, before) in fields(methods) {
            let at = format!("{service} {} {path}", method.to_uppercase());
            let Some(after) = new["paths"][path].get(method) else {
                found.push(format!("{at}: removed; clients ask for it"));
                continue;
            };
            if !lets_everybody_in(before, after) {
                found.push(format!("{at}: asks more of its callers; some are refused"));
            }
            let mut compare = |side: String, rules: &Rules, schema: fn(&Value) -> Value| {
                let (before, after) = (schema(before), schema(after));
                found.extend(compared(rules, &side, (old, &before), (new, &after)));
            };
            compare(format!("{at} request"), &REQUESTS, request);
            compare(format!("{at} answer"), &ANSWERS, answer);
            compare(format!("{service} errors"), &ANSWERS, errors);
        }
    }
    found
}

/// Whether all who were let in still are.
fn lets_everybody_in(before: &Value, after: &Value) -> bool {
    let after = ways_in(after);
    ways_in(before).iter().all(|had| after.iter().any(|needed| suffices(had, needed)))
}

/// What callers may show to be let in, with the roles it takes; nothing where anybody is let in.
fn ways_in(operation: &Value) -> Vec<Value> {
    match operation["security"].as_array() {
        Some(ways) if !ways.is_empty() => ways.clone(),
        _ => vec![json!({})],
    }
}

fn suffices(had: &Value, needed: &Value) -> bool {
    fields(needed).all(|(scheme, roles)| {
        had.get(scheme).is_some_and(|had| list(roles).all(|role| list(had).any(|it| it == role)))
    })
}

fn request(operation: &Value) -> Value {
    let parameters = list(&operation["parameters"]).map(|parameter| {
        let name = ["in", "name"].map(|field| parameter[field].as_str().unwrap_or_default());
        (name.join("."), &parameter["required"], parameter["schema"].clone())
    });
    let body = operation.get("requestBody");
    let body = body.map(|body| ("body".to_owned(), &body["required"], parts(body)));
    let (mut properties, mut required) = (Map::new(), Vec::new());
    for (name, is_required, schema) in parameters.chain(body) {
        if is_required.as_bool() == Some(true) {
            required.push(name.clone());
        }
        properties.insert(name, schema);
    }
    json!({ "properties": properties, "required": required })
}

fn answer(operation: &Value) -> Value {
    let successes = fields(&operation["responses"]).filter(|(status, _)| status.starts_with('2'));
    let properties: Map<String, Value> =
        successes.map(|(status, answer)| (status.clone(), parts(answer))).collect();
    let statuses: Vec<_> = properties.keys().collect();
    json!({ "enum": statuses, "properties": properties })
}

/// The bodies that an operation's errors have, whatever their status: new ones come.
fn errors(operation: &Value) -> Value {
    let errors = fields(&operation["responses"]).filter(|(status, _)| !status.starts_with('2'));
    let bodies = errors.flat_map(|(_, error)| fields(&error["content"]));
    let properties: Map<String, Value> =
        bodies.map(|(media, body)| (media.clone(), body["schema"].clone())).collect();
    json!({ "properties": properties })
}

/// Headers, and a body of each media type.
fn parts(message: &Value) -> Value {
    let headers = fields(&message["headers"])
        .map(|(name, header)| (format!("headers.{name}"), header["schema"].clone()));
    let bodies =
        fields(&message["content"]).map(|(media, body)| (media.clone(), body["schema"].clone()));
    let properties: Map<String, Value> = headers.chain(bodies).collect();
    json!({ "properties": properties })
}

fn fields(object: &Value) -> impl Iterator<Item = (&String, &Value)> {
    object.as_object().into_iter().flatten()
}

fn list(array: &Value) -> impl Iterator<Item = &Value> {
    array.as_array().into_iter().flatten()
}

#[cfg(test)]
mod tests;
