//! What an answer must be, whatever was asked.

use serde_json::{Value, json};

use super::document::{Operation, at};
use super::request::Request;
use super::wire::Answer;

/// What is wrong with the answer to a request to a service.
pub fn faults(
    operations: &[Operation],
    service: &str,
    request: &Request,
    answer: Option<&Answer>,
) -> Vec<String> {
    let mut faults = Vec::new();
    let Some(answer) = answer else {
        if request.is_whole {
            faults.push("hung up without an answer".to_owned());
        }
        return faults;
    };
    let status = answer.status;
    let there = at(operations, service, &request.path);
    let method = if request.method == "HEAD" { "GET" } else { &request.method };
    match there.iter().find(|operation| operation.method == method) {
        Some(operation) => {
            let Some(response) = operation.responses.get(&status) else {
                faults.push(format!("{status}, which {} does not document", operation.name()));
                return faults;
            };
            if operation.is_secured && !request.is_signed_in && ![401, 413].contains(&status) {
                faults.push(format!("{status} without a valid token"));
            }
            if operation.is_secured && request.is_signed_in && status == 401 {
                faults.push("a valid token is refused".to_owned());
            }
            if request.method != "HEAD" {
                faults.extend(body_faults(operation, response, answer));
            }
        }
        None if there.is_empty() && [404, 413].contains(&status) => {}
        None if status == 405 && !there.is_empty() => {
            if answer.header("allow").is_empty() {
                faults.push("405 without Allow".to_owned());
            }
        }
        None if status == 413 => {}
        None => faults.push(format!("{status} where nothing is served")),
    }
    if status >= 400 {
        faults.extend(problem_faults(request, answer));
    }
    faults
}

/// Whether the body is one that the document promises.
fn body_faults(operation: &Operation, response: &Value, answer: &Answer) -> Option<String> {
    let contents = response["content"].as_object();
    let Some(contents) = contents.filter(|contents| !contents.is_empty()) else {
        return (!answer.body.is_empty()).then(|| "a body that is not documented".to_owned());
    };
    let content_type = answer.header("content-type").split(';').next().unwrap_or_default();
    let Some(content) = contents.get(content_type) else {
        return Some(format!("{content_type:?}, which is not documented for {}", answer.status));
    };
    if !content_type.ends_with("json") {
        return None;
    }
    let Ok(body) = serde_json::from_slice::<Value>(&answer.body) else {
        return Some("a body that is no JSON".to_owned());
    };
    let mut schema = content["schema"].clone();
    if let Some(schema) = schema.as_object_mut() {
        schema.insert("components".to_owned(), operation.document["components"].clone());
    }
    let validator = jsonschema::draft202012::new(&schema).unwrap();
    let error = validator.iter_errors(&body).next()?;
    Some(format!("a body that the schema refuses: {error} at {}", error.instance_path()))
}

/// Whether a refusal says what is wrong, in words for clients.
fn problem_faults(request: &Request, answer: &Answer) -> Vec<String> {
    let mut faults = Vec::new();
    let mut unless = |holds: bool, fault: &str| {
        if !holds {
            faults.push(fault.to_owned());
        }
    };
    let status = answer.status;
    unless(status < 500 || status == 503, "a failure of the service");
    unless(
        answer.header("content-type") == "application/problem+json",
        "a refusal that is no problem+json",
    );
    unless(status != 401 || answer.header("www-authenticate") == "Bearer", "401 without challenge");
    let retry_after = answer.header("retry-after").parse::<u32>();
    unless(![429, 503].contains(&status) || retry_after.is_ok(), "no Retry-After");
    if request.method == "HEAD" {
        return faults;
    }
    let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    let text = |name: &str| body[name].as_str().unwrap_or_default();
    unless(body["status"] == json!(status), "a problem of another status");
    unless(text("type").starts_with("https://boutique.dev/problems/"), "a problem without a type");
    unless(text("detail").len() > 10 && text("detail").ends_with('.'), "a problem without detail");
    unless(text("detail").len() < 2000, "a problem that repeats all it was sent");
    unless(text("traceId") == answer.header("trace-id"), "a problem of another trace");
    let kind = text("type").rsplit('/').next().unwrap_or_default();
    let names_field =
        !["invalid-field", "invalid-parameter"].contains(&kind) || !text("field").is_empty();
    unless(names_field, "a problem that names no field");
    faults
}
