//! What may change in a contract that was released.
//!
//! Old and new meet in both directions. Consumers of the last release read what
//! producers of this one publish, while it is rolled out and for as long as
//! others have not followed; consumers of this one read what was published
//! before, because topics keep their records. So neither may a schema demand
//! more than it did, nor may it allow more: an enumeration with a new member is
//! refused by those who know the old ones alone. What is left is to add: an
//! optional field, an event.
//!
//! In HTTP old and new meet in one direction at a time, so that more may change.

mod http;
mod rules;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
};

use serde_json::{Map, Value};

pub use self::http::breaking_http_changes;
use self::rules::{RECORDS, Rules};
use super::event::resolved;

/// Says nothing about which bodies are valid.
const ANNOTATIONS: &[&str] =
    &["$defs", "$schema", "default", "description", "example", "examples", "title"];

/// What breaks consumers or makes old records unreadable, one sentence each.
pub fn breaking_changes(
    released: &BTreeMap<PathBuf, Value>,
    current: &BTreeMap<PathBuf, Value>,
) -> Vec<String> {
    let mut found = Vec::new();
    for (path, old) in released {
        let event = path.with_extension("").display().to_string();
        match current.get(path) {
            Some(new) => found.extend(compared(&RECORDS, &event, (old, old), (new, new))),
            None => found.push(format!("{event}: removed; its consumers would wait in vain")),
        }
    }
    found
}

/// What of two schemas breaks the rules; before each the whole document, into which its references point.
fn compared(
    rules: &Rules,
    at: &str,
    (old, before): (&Value, &Value),
    (new, after): (&Value, &Value),
) -> Vec<String> {
    let mut comparison = Comparison { rules, old, new, found: Vec::new() };
    comparison.schemas(at, before, after);
    comparison.found
}

struct Comparison<'a> {
    rules: &'a Rules,
    old: &'a Value,
    new: &'a Value,
    found: Vec<String>,
}

impl Comparison<'_> {
    fn schemas(&mut self, at: &str, old: &Value, new: &Value) {
        let (old, new) = (resolved(self.old, old), resolved(self.new, new));
        let (Value::Object(old), Value::Object(new)) = (old, new) else {
            return self.equal(at, "schema", Some(old), Some(new));
        };
        for keyword in old.keys().chain(new.keys().filter(|key| !old.contains_key(*key))) {
            let (before, after) = (old.get(keyword), new.get(keyword));
            match (keyword.as_str(), before, after) {
                (keyword, ..) if ANNOTATIONS.contains(&keyword) => {}
                ("properties", ..) => self.fields(at, before, after),
                ("required", ..) => self.required(at, (old, before), (new, after)),
                ("enum", Some(Value::Array(before)), Some(Value::Array(after))) => {
                    self.members(at, before, after);
                }
                ("items", Some(before), Some(after)) => {
                    self.schemas(&format!("{at}[]"), before, after);
                }
                ("anyOf" | "oneOf", Some(Value::Array(before)), Some(Value::Array(after)))
                    if before.len() == after.len() =>
                {
                    before.iter().zip(after).for_each(|(old, new)| self.schemas(at, old, new));
                }
                (keyword, ..) => self.equal(at, keyword, before, after),
            }
        }
    }

    fn fields(&mut self, at: &str, old: Option<&Value>, new: Option<&Value>) {
        for (name, before) in old.and_then(Value::as_object).into_iter().flatten() {
            let at = format!("{at}.{name}");
            match new.and_then(|new| new.get(name)) {
                Some(after) => self.schemas(&at, before, after),
                None => self.tell(&at, &format!("removed; {}", self.rules.removed)),
            }
        }
    }

    fn required(
        &mut self,
        at: &str,
        (old, before): (&Map<String, Value>, Option<&Value>),
        (new, after): (&Map<String, Value>, Option<&Value>),
    ) {
        let (before, after) = (strings(before), strings(after));
        if let Some(why) = self.rules.required {
            for name in after.difference(&before) {
                let problem =
                    if has_field(old, name) { "became required" } else { "is new and required" };
                self.tell(&format!("{at}.{name}"), &format!("{problem}; {why}"));
            }
        }
        if let Some(why) = self.rules.optional {
            for name in before.difference(&after).filter(|name| has_field(new, name)) {
                self.tell(&format!("{at}.{name}"), &format!("became optional; {why}"));
            }
        }
    }

    fn members(&mut self, at: &str, before: &[Value], after: &[Value]) {
        if let Some(why) = self.rules.narrower {
            for gone in before.iter().filter(|member| !after.contains(member)) {
                self.tell(at, &format!("no longer allows {gone}; {why}"));
            }
        }
        if let Some(why) = self.rules.wider {
            for new in after.iter().filter(|member| !before.contains(member)) {
                self.tell(at, &format!("allows {new} as well; {why}"));
            }
        }
    }

    /// Any other keyword.
    fn equal(&mut self, at: &str, keyword: &str, before: Option<&Value>, after: Option<&Value>) {
        if self.rules.forbid(keyword, before, after) {
            let shown = |value: Option<&Value>| value.map_or("none".to_owned(), Value::to_string);
            let (before, after) = (shown(before), shown(after));
            self.tell(at, &format!("`{keyword}` changed from {before} to {after}"));
        }
    }

    fn tell(&mut self, at: &str, problem: &str) {
        self.found.push(format!("{at}: {problem}"));
    }
}

fn strings(list: Option<&Value>) -> BTreeSet<&str> {
    list.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect()
}

fn has_field(schema: &Map<String, Value>, name: &str) -> bool {
    schema.get("properties").is_some_and(|fields| fields.get(name).is_some())
}

#[cfg(test)]
mod tests;
