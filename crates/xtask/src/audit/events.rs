//! Whether the events are those that what is kept has led to. Pure.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use contracts::envelope::Envelope;
use contracts::events::{Event, EventType};
use contracts::topic::Topic;
use test_support::kafka::Record;
use uuid::Uuid;

use super::due::Due;
use super::facts::Fact;
use super::kept::Kept;
use super::told;
use super::violation::{Breach, Violation};

/// What all topics tell, taken in record by record, each partition in its order.
#[derive(Debug)]
pub struct Events<'k> {
    kept: &'k Kept,
    /// The ids under which each fact was told.
    facts: BTreeMap<Fact, BTreeSet<Uuid>>,
    /// What was told under each id.
    ids: BTreeMap<Uuid, (EventType, String)>,
    /// The last version that was told of each key on each topic.
    versions: BTreeMap<(Topic, String), u64>,
    unreadable: Vec<String>,
    reused: Vec<String>,
    disordered: Vec<String>,
}

impl<'k> Events<'k> {
    /// Nothing yet; to be compared with what is kept.
    pub fn new(kept: &'k Kept) -> Self {
        Self {
            kept,
            facts: BTreeMap::new(),
            ids: BTreeMap::new(),
            versions: BTreeMap::new(),
            unreadable: Vec::new(),
            reused: Vec::new(),
            disordered: Vec::new(),
        }
    }

    /// Takes in a record. A repeat, under the same id, is none.
    pub fn take(&mut self, record: &Record) {
        let (id, event) = match read(record) {
            Ok(told) => told,
            Err(error) => {
                let Record { topic, partition, offset, .. } = record;
                self.unreadable.push(format!("{topic}/{partition}/{offset} ({error})"));
                return;
            }
        };
        let fact = told::fact(&event, self.kept);
        match self.ids.entry(id) {
            Entry::Vacant(first) => {
                first.insert((fact.event, fact.key.clone()));
            }
            Entry::Occupied(_) => {
                if !self.facts.get(&fact).is_some_and(|ids| ids.contains(&id)) {
                    self.reused.push(format!("{id} of {fact}"));
                }
                return;
            }
        }
        if let Some(version) = version(&event) {
            let last = self.versions.entry((event.topic(), fact.key.clone())).or_default();
            if version < *last {
                self.disordered.push(format!("{fact}, behind version {last}"));
            }
            *last = version.max(*last);
        }
        self.facts.entry(fact).or_default().insert(id);
    }

    /// What is missing, and what is wrong.
    pub fn violations(&self) -> Vec<Violation> {
        let Due { must, may } = Due::of(self.kept);
        let missing = must.iter().filter(|fact| !self.facts.contains_key(fact));
        let untrue = self.facts.keys().filter(|fact| !must.contains(fact) && !may.contains(fact));
        let twice = self.facts.iter().filter(|(_, ids)| ids.len() > 1);
        let violations = [
            (Breach::EventMissing, "whatever happened was told", texts(missing)),
            (Breach::EventMissing, "what an order went on by was told", self.without_cause()),
            (Breach::EventWrong, "whatever was told is so", texts(untrue)),
            (
                Breach::EventWrong,
                "nothing is told under two ids",
                texts(twice.map(|(fact, _)| fact)),
            ),
            (Breach::EventWrong, "an id tells one thing", self.reused.clone()),
            (
                Breach::EventWrong,
                "what is told of one key comes in its order",
                self.disordered.clone(),
            ),
            (
                Breach::EventWrong,
                "every record is an event or planted poison",
                self.unreadable.clone(),
            ),
        ];
        let violations = violations.into_iter();
        violations
            .filter_map(|(breach, rule, broken)| Violation::of(breach, rule, broken))
            .collect()
    }

    /// Changes of orders that came with an event nobody told.
    fn without_cause(&self) -> Vec<String> {
        let changes = self.kept.orders.iter().flat_map(|(id, order)| {
            order.history.iter().filter_map(move |change| Some((id, change, change.event_id?)))
        });
        let was_told = |key: &str, cause: &str, id| {
            self.ids.get(&id).is_some_and(|(event, of)| event.name() == cause && of == key)
        };
        changes
            .filter(|(id, change, event)| !was_told(&id.to_string(), &change.cause, *event))
            .map(|(id, change, event)| format!("{} of {id}, {event}", change.cause))
            .collect()
    }
}

fn texts<'f>(facts: impl Iterator<Item = &'f Fact>) -> Vec<String> {
    facts.map(ToString::to_string).collect()
}

/// The event of a record, and its id; or what is wrong with it.
fn read(record: &Record) -> Result<(Uuid, Event), String> {
    let envelope =
        Envelope::parse(|name| record.header(name)).map_err(|error| error.to_string())?;
    let body = record.payload.as_deref().ok_or("no body")?;
    let event = Event::decode(envelope.event_type, body).map_err(|error| error.to_string())?;
    let key = event.key();
    let source = format!("/boutique/{}", event.topic().producer());
    if event.topic().name() != record.topic {
        return Err(format!("a {} on {}", event.event_type(), record.topic));
    }
    if record.key.as_deref() != Some(key.as_bytes()) {
        return Err(format!("a key that is not {key}"));
    }
    if envelope.subject != key || envelope.correlation_id != key || envelope.source != source {
        return Err("headers that do not fit".to_owned());
    }
    Ok((envelope.id, event))
}

/// The version of what an event is about, where it says so.
fn version(event: &Event) -> Option<u64> {
    match event {
        Event::OrderCreated(_) => Some(1),
        Event::OrderUpdated(e) => Some(e.version.into()),
        Event::OrderCancelled(e) => e.version.map(u64::from),
        Event::ProductCreated(e) => Some(e.version),
        Event::ProductUpdated(e) => Some(e.version),
        Event::ProductDiscontinued(e) => Some(e.version),
        Event::StockChanged(e) => Some(e.version),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
