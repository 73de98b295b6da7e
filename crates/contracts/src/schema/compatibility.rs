//! What may change in a contract that was released.
//!
//! Old and new meet in both directions. Consumers of the last release read what
//! producers of this one publish, while it is rolled out and for as long as
//! others have not followed; consumers of this one read what was published
//! before, because topics keep their records. So neither may a schema demand
//! more than it did, nor may it allow more: an enumeration with a new member is
//! refused by those who know the old ones alone. What is left is to add: an
//! optional field, an event.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
};

use serde_json::{Map, Value};

use super::event::resolved;

/// Says nothing about which bodies are valid.
const ANNOTATIONS: &[&str] = &["$defs", "$schema", "description", "examples", "title"];

/// What breaks consumers or makes old records unreadable, one sentence each.
pub fn breaking_changes(
    released: &BTreeMap<PathBuf, Value>,
    current: &BTreeMap<PathBuf, Value>,
) -> Vec<String> {
    let mut found = Vec::new();
    for (path, old) in released {
        let event = path.with_extension("").display().to_string();
        match current.get(path) {
            Some(new) => Comparison { old, new, found: &mut found }.schemas(&event, old, new),
            None => found.push(format!("{event}: removed; its consumers would wait in vain")),
        }
    }
    found
}

struct Comparison<'a> {
    /// The whole schemas, into which references point.
    old: &'a Value,
    new: &'a Value,
    found: &'a mut Vec<String>,
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
                ("properties", Some(Value::Object(before)), Some(Value::Object(after))) => {
                    self.fields(at, before, after);
                }
                ("required", ..) => self.required(at, (old, before), (new, after)),
                ("enum", Some(Value::Array(before)), Some(Value::Array(after))) => {
                    self.members(at, before, after);
                }
                ("items", Some(before), Some(after)) => {
                    self.schemas(&format!("{at}[]"), before, after);
                }
                ("anyOf", Some(Value::Array(before)), Some(Value::Array(after)))
                    if before.len() == after.len() =>
                {
                    before.iter().zip(after).for_each(|(old, new)| self.schemas(at, old, new));
                }
                (keyword, ..) => self.equal(at, keyword, before, after),
            }
        }
    }

    fn fields(&mut self, at: &str, old: &Map<String, Value>, new: &Map<String, Value>) {
        for (name, before) in old {
            let at = format!("{at}.{name}");
            match new.get(name) {
                Some(after) => self.schemas(&at, before, after),
                None => self.tell(&at, "removed; consumers read it"),
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
        for name in after.difference(&before) {
            let problem = if has_field(old, name) {
                "became required; records without it were published"
            } else {
                "is new and required; records without it were published"
            };
            self.tell(&format!("{at}.{name}"), problem);
        }
        for name in before.difference(&after).filter(|name| has_field(new, name)) {
            let problem = "became optional; released consumers refuse records without it";
            self.tell(&format!("{at}.{name}"), problem);
        }
    }

    fn members(&mut self, at: &str, before: &[Value], after: &[Value]) {
        for gone in before.iter().filter(|member| !after.contains(member)) {
            self.tell(at, &format!("no longer allows {gone}; records with it were published"));
        }
        for new in after.iter().filter(|member| !before.contains(member)) {
            self.tell(at, &format!("allows {new} as well; released consumers refuse it"));
        }
    }

    /// Any other keyword: whether it was loosened or tightened, one side minds.
    fn equal(&mut self, at: &str, keyword: &str, before: Option<&Value>, after: Option<&Value>) {
        if before != after {
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
