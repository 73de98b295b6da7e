//! The OpenAPI documents that are committed, with a page each for people, held against what services answer.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context, ensure};
use serde_json::{Map, Value};

use super::operations::{Audience, operations};

/// Set to write the documents instead of comparing them.
const UPDATE: &str = "UPDATE_DOCUMENTS";

/// Fails unless `docs/api/<service>.json` and its page say what the document of a running service does.
pub(super) fn hold(service: &str, document: &Value) -> anyhow::Result<()> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/api");
    let json = serde_json::to_string_pretty(document)? + "\n";
    for (file, text) in
        [(format!("{service}.json"), json), (format!("{service}.md"), page(service, document)?)]
    {
        let path = folder.join(&file);
        if std::env::var_os(UPDATE).is_some() {
            std::fs::create_dir_all(&folder)?;
            std::fs::write(&path, &text)?;
        }
        let committed = std::fs::read_to_string(&path).unwrap_or_default();
        ensure!(
            committed == text,
            "docs/api/{file} is not what {service} answers; run its tests with {UPDATE}=1, look at what has changed, \
             and commit it"
        );
    }
    Ok(())
}

fn page(service: &str, document: &Value) -> anyhow::Result<String> {
    let mut page = format!("# {service}\n\n");
    // Writing to a string cannot fail.
    let _ = writeln!(
        page,
        "Made of [the service's OpenAPI document]({service}.json); do not edit. Errors are problem+json (RFC 9457).\n"
    );
    for operation in operations(document)? {
        let method = operation.method.as_str().to_lowercase();
        let told = &document["paths"][&operation.path][&method];
        let _ = writeln!(page, "## `{}`\n", operation.name());
        let lines = [&told["summary"], &told["description"]].map(text);
        for line in lines.iter().filter(|line| !line.is_empty()) {
            let _ = writeln!(page, "{line}\n");
        }
        let audience = match operation.audience {
            Audience::Everybody => "For everybody.",
            Audience::Callers => "For whoever is signed in.",
            Audience::Admins => "For admins.",
        };
        let _ = writeln!(page, "{audience}\n");
        parameters(&mut page, &told["parameters"]);
        if let Some(content) = told["requestBody"]["content"].as_object() {
            let _ = writeln!(page, "Takes {}.\n", bodies(content));
        }
        let responses = told["responses"].as_object().context("an operation has responses")?;
        let _ = writeln!(page, "| status | |\n|---|---|");
        for (status, response) in responses {
            let content = response["content"].as_object().map(bodies);
            let content = content.map(|content| format!(": {content}")).unwrap_or_default();
            let _ = writeln!(page, "| {status} | {}{content} |", cell(&response["description"]));
        }
        page.push('\n');
    }
    let schemas = document["components"]["schemas"].as_object();
    for (name, schema) in schemas.into_iter().flatten() {
        let _ = writeln!(page, "## {name}\n");
        let about = text(&schema["description"]);
        if !about.is_empty() {
            let _ = writeln!(page, "{about}\n");
        }
        fields(&mut page, schema);
    }
    Ok(page.trim_end().to_owned() + "\n")
}

fn parameters(page: &mut String, parameters: &Value) {
    let Some(parameters) = parameters.as_array().filter(|list| !list.is_empty()) else { return };
    let _ = writeln!(page, "| parameter | in | |\n|---|---|---|");
    for parameter in parameters {
        let [name, place] = ["name", "in"].map(|field| text(&parameter[field]));
        let _ = writeln!(page, "| `{name}` | {place} | {} |", cell(&parameter["description"]));
    }
    page.push('\n');
}

fn fields(page: &mut String, schema: &Value) {
    let Some(fields) = schema["properties"].as_object() else { return };
    let required: Vec<&Value> = schema["required"].as_array().into_iter().flatten().collect();
    let _ = writeln!(page, "| field | | |\n|---|---|---|");
    for (name, field) in fields {
        let optional =
            if required.contains(&&Value::from(name.as_str())) { "" } else { ", optional" };
        let _ = writeln!(
            page,
            "| `{name}` | {}{optional} | {} |",
            kind(field),
            cell(&field["description"])
        );
    }
    page.push('\n');
}

fn bodies(content: &Map<String, Value>) -> String {
    let body = |(media, body): (&String, &Value)| format!("{} ({media})", kind(&body["schema"]));
    content.iter().map(body).collect::<Vec<_>>().join(" or ")
}

/// What a schema is, in a word or two.
fn kind(schema: &Value) -> String {
    if let Some(name) = schema["$ref"].as_str().and_then(|of| of.rsplit('/').next()) {
        return format!("[{name}](#{})", name.to_lowercase());
    }
    if schema["items"].is_object() {
        return format!("list of {}", kind(&schema["items"]));
    }
    match &schema["type"] {
        Value::String(kind) => kind.clone(),
        Value::Array(kinds) => kinds.iter().map(text).collect::<Vec<_>>().join(" or "),
        _ => "any".to_owned(),
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().trim().to_owned()
}

/// In a table, where a line's end would end the row.
fn cell(value: &Value) -> String {
    text(value).replace('\n', " ").replace('|', "\\|")
}
