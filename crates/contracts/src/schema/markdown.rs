//! All topics on one page for people: what each event tells, what its fields mean, and how it looks.

use std::{collections::BTreeMap, fmt::Write as _, fs, io, path::Path};

use serde_json::{Value, value::RawValue};

use super::{
    asyncapi::{self, about, events, keys},
    consumers::Consumers,
    event::{key, schema},
};
use crate::{
    events::EventType,
    topic::{Topic, dead_letter_topic},
};

/// Where the documents are, as links on the page have it.
const CONTRACTS: &str = "../crates/contracts";

/// A set with more members, such as that of the currencies, is not listed.
const MOST_LISTED: usize = 10;

pub(super) fn page(consumers: &Consumers, golden: &Path) -> io::Result<String> {
    let mut page = String::from("# Topics\n\n");
    // Writing to a string cannot fail.
    let _ = writeln!(
        page,
        "Made of the types in [crates/contracts]({CONTRACTS}), as are [the AsyncAPI document]\
         ({CONTRACTS}/schemas/asyncapi.json) and [the JSON Schemas]({CONTRACTS}/schemas) of the events; do not edit.\n"
    );
    let _ = writeln!(page, "{}\n", asyncapi::INTRODUCTION);
    overview(&mut page, consumers);
    headers(&mut page);
    for topic in Topic::ALL {
        let _ = writeln!(page, "## `{topic}`\n\n{}\n", about(*topic));
        for event in events(*topic) {
            let schema = schema(event);
            let _ = writeln!(page, "### {event}\n\n{}\n", text(&schema["description"]));
            let _ = writeln!(
                page,
                "Its key is `{}`. Read by {}. [Its schema]({CONTRACTS}/schemas/{topic}/{event}.json).\n",
                key(event),
                readers(consumers, |read| *read == event)
            );
            fields(&mut page, &schema);
            example(&mut page, golden, event, &schema)?;
        }
    }
    dead_letters(&mut page, consumers);
    types(&mut page);
    Ok(page.trim_end().to_owned() + "\n")
}

fn overview(page: &mut String, consumers: &Consumers) {
    let _ = writeln!(page, "| topic | key | published by | read by |\n|---|---|---|---|");
    for topic in Topic::ALL {
        let _ = writeln!(
            page,
            "| [`{topic}`](#{}) | {} | {} | {} |",
            anchor(topic.name()),
            keys(*topic),
            topic.producer(),
            readers(consumers, |event| event.topic() == *topic)
        );
    }
    let letters = dead_letter_topic("{service}");
    let _ = writeln!(
        page,
        "| [`{letters}`](#{}) | that of the record | each consumer | operators |\n",
        anchor(&letters)
    );
}

fn headers(page: &mut String) {
    let headers = asyncapi::headers();
    let _ = writeln!(page, "## Headers\n\nEvery record of an event has all of them.\n");
    let _ = writeln!(page, "| header | type | |\n|---|---|---|");
    for (name, _) in names(&headers) {
        let header = &headers["properties"][name];
        let about = text(&header["description"]);
        let _ = writeln!(page, "| `{name}` | {} | {} |", cell(&form(header)), cell(&about));
    }
    page.push('\n');
}

/// The services that read one of those events.
fn readers(consumers: &Consumers, which: impl Fn(&EventType) -> bool) -> String {
    let reading = consumers.iter().filter(|(_, events)| events.iter().any(&which));
    let names: Vec<_> = reading.map(|(service, _)| service.as_str()).collect();
    if names.is_empty() { "no service".to_owned() } else { names.join(", ") }
}

fn fields(page: &mut String, schema: &Value) {
    let _ = writeln!(page, "| field | type | required | |\n|---|---|---|---|");
    for (name, is_required) in names(schema) {
        let field = &schema["properties"][name];
        let _ = writeln!(
            page,
            "| `{name}` | {} | {} | {} |",
            cell(&form(field)),
            if is_required { "yes" } else { "no" },
            cell(&text(&field["description"]))
        );
    }
    page.push('\n');
}

/// The names of its fields, and whether they are required: those first, in the order of the struct.
fn names(schema: &Value) -> Vec<(&str, bool)> {
    let required = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let mut names: Vec<_> = required.map(|name| (name, true)).collect();
    let all = schema["properties"].as_object().into_iter().flatten();
    let all = all.map(|(name, _)| (name.as_str(), false));
    let mut optional: Vec<_> =
        all.filter(|(name, _)| names.iter().all(|(known, _)| known != name)).collect();
    optional.sort_unstable();
    names.append(&mut optional);
    names
}

/// What a field holds, in a word or two. That it may be null says no more than that it is optional.
fn kind(schema: &Value) -> String {
    if let Some(name) = schema["$ref"].as_str().and_then(|of| of.rsplit('/').next()) {
        return format!("[{name}](#{})", anchor(name));
    }
    if let Some(kinds) = schema["anyOf"].as_array() {
        let kinds = kinds.iter().filter(|schema| schema["type"] != "null").map(form);
        return kinds.collect::<Vec<_>>().join(" or ");
    }
    if schema["items"].is_object() {
        return format!("list of {}", form(&schema["items"]));
    }
    if let Some(constant) = schema["const"].as_str() {
        return format!("`{constant}`");
    }
    if let Some(format) = schema["format"].as_str() {
        return format.to_owned();
    }
    let one = schema["type"].as_str();
    let several = schema["type"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let kinds = one.into_iter().chain(several).filter(|kind| *kind != "null");
    kinds.collect::<Vec<_>>().join(" or ")
}

/// The sample, with the optional fields where there are any, a line a field.
fn example(page: &mut String, golden: &Path, event: EventType, schema: &Value) -> io::Result<()> {
    let folder = golden.join(event.topic().name());
    let full = folder.join(format!("{event}.full.json"));
    let path = if full.exists() { full } else { folder.join(format!("{event}.json")) };
    let sample = fs::read_to_string(&path)
        .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", path.display())))?;
    // As they are written: amounts that are read as numbers lose the zeros at their end.
    let sample: BTreeMap<&str, &RawValue> = serde_json::from_str(&sample)?;
    let line = |name: &str| Some(format!("  \"{name}\": {}", sample.get(name)?));
    let lines: Vec<_> = names(schema).into_iter().filter_map(|(name, _)| line(name)).collect();
    let _ = writeln!(page, "```json\n{{\n{}\n}}\n```\n", lines.join(",\n"));
    Ok(())
}

fn dead_letters(page: &mut String, consumers: &Consumers) {
    let channel = asyncapi::dead_letters(consumers);
    let services: Vec<_> = consumers.keys().map(String::as_str).collect();
    let _ = writeln!(
        page,
        "## `{}`\n\n{} {} The services are {}.\n",
        text(&channel["address"]),
        text(&channel["description"]),
        text(&channel["messages"]["DeadLetter"]["summary"]),
        services.join(", ")
    );
}

/// What fields refer to by name.
fn types(page: &mut String) {
    let schemas: Vec<_> = EventType::ALL.iter().map(|event| schema(*event)).collect();
    let types = schemas.iter().filter_map(|schema| schema["$defs"].as_object());
    let types: BTreeMap<_, _> = types.flatten().collect();
    let _ = writeln!(page, "## Types\n");
    for (name, schema) in types {
        let _ = writeln!(page, "### {name}\n\n{}\n", text(&schema["description"]));
        if schema["properties"].is_object() {
            fields(page, schema);
        } else {
            let _ = writeln!(page, "In JSON: {}.\n", form(schema));
        }
    }
}

/// How a field or a type is written, and what of it is allowed.
fn form(schema: &Value) -> String {
    let kind = kind(schema);
    let listed = |values: &[Value]| {
        let values = values.iter().filter_map(Value::as_str).map(|value| format!("`{value}`"));
        values.collect::<Vec<_>>().join(", ")
    };
    if let Some(members) = schema["enum"].as_array() {
        return match members.len() {
            0..=MOST_LISTED => format!("{kind}, one of {}", listed(members)),
            many => format!("{kind}, one of {many} that the schemas list"),
        };
    }
    let limits = limits(schema);
    if let Some(pattern) = schema["pattern"].as_str() {
        return format!("{kind} that matches `{pattern}`{limits}");
    }
    match schema["examples"].as_array() {
        Some(examples) => format!("{kind}{limits}, such as {}", listed(examples)),
        None => kind + &limits,
    }
}

/// How small and how large a number is, how short and how long a text, how many a list has.
fn limits(schema: &Value) -> String {
    let pairs = [
        ("minimum", "maximum", ""),
        ("minLength", "maxLength", " characters"),
        ("minItems", "maxItems", ""),
    ];
    let told = pairs.map(|(least, most, unit)| match (&schema[least], &schema[most]) {
        (Value::Null, Value::Null) => String::new(),
        (least, Value::Null) => format!(", at least {least}{unit}"),
        (Value::Null, most) => format!(", at most {most}{unit}"),
        (least, most) if least == most => format!(", {least}{unit}"),
        (least, most) => format!(", {least} to {most}{unit}"),
    });
    told.concat()
}

/// What a heading is linked by.
fn anchor(heading: &str) -> String {
    heading.to_lowercase().chars().filter(|c| c.is_alphanumeric()).collect()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().trim().to_owned()
}

/// In a table, where a line's end would end the row.
fn cell(text: &str) -> String {
    text.replace('\n', " ").replace('|', "\\|")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_allowed_is_told() {
        for (schema, told) in [
            (
                json!({ "type": "integer", "minimum": 0, "maximum": u64::MAX }),
                "integer, 0 to 18446744073709551615",
            ),
            (json!({ "type": ["number", "null"], "minimum": 0 }), "number, at least 0"),
            (json!({ "type": "string", "maxLength": 64 }), "string, at most 64 characters"),
            (
                json!({ "type": "string", "minLength": 32, "maxLength": 32 }),
                "string, 32 characters",
            ),
            (
                json!({ "type": "string", "pattern": "^a+$", "maxLength": 9 }),
                "string that matches `^a+$`, at most 9 characters",
            ),
            (
                json!({ "type": "string", "minLength": 1, "examples": ["a"] }),
                "string, at least 1 characters, such as `a`",
            ),
            (
                json!({ "items": { "$ref": "#/$defs/Line" }, "minItems": 1 }),
                "list of [Line](#line), at least 1",
            ),
            (
                json!({ "items": { "type": "integer", "minimum": 1 } }),
                "list of integer, at least 1",
            ),
            (
                json!({ "anyOf": [{ "type": "string", "maxLength": 2 }, { "type": "null" }] }),
                "string, at most 2 characters",
            ),
            (json!({ "type": "string", "enum": ["A", "B"] }), "string, one of `A`, `B`"),
            (json!({ "type": ["string", "null"], "format": "date-time" }), "date-time"),
        ] {
            assert_eq!(form(&schema), told);
        }
    }

    #[test]
    fn every_link_leads_to_one_heading() {
        let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden");
        let page = page(&Consumers::new(), &golden).unwrap();
        let headings: Vec<_> =
            page.lines().filter(|line| line.starts_with('#')).map(anchor).collect();
        let links = page.split("](#").skip(1).filter_map(|rest| rest.split(')').next());
        let links: BTreeSet<_> = links.collect();
        assert!(links.len() > Topic::ALL.len());
        for link in links {
            assert_eq!(headings.iter().filter(|heading| *heading == link).count(), 1, "{link}");
        }
    }
}
