use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    path::Path,
};

use crate::events::EventType;

/// The events that each service reads.
pub type Consumers = BTreeMap<String, BTreeSet<EventType>>;

/// Finds the consumers in their sources, where a list of event types says what
/// a handler or a tail wants. A second list, kept here, would go stale.
pub fn read(services: &Path) -> io::Result<Consumers> {
    let mut consumers = Consumers::new();
    for service in fs::read_dir(services)? {
        let service = service?;
        let mut events = BTreeSet::new();
        read_folder(&service.path().join("src"), &mut events)?;
        if !events.is_empty() {
            consumers.insert(service.file_name().to_string_lossy().into_owned(), events);
        }
    }
    Ok(consumers)
}

fn read_folder(folder: &Path, events: &mut BTreeSet<EventType>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            read_folder(&path, events)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let found = listed(&fs::read_to_string(&path)?).map_err(|name| {
                let problem = format!("{}: no event is called `{name}`", path.display());
                io::Error::new(io::ErrorKind::InvalidData, problem)
            })?;
            events.extend(found);
        }
    }
    Ok(())
}

/// The members of every `[EventType] = …;`, or the name of one that does not exist.
fn listed(source: &str) -> Result<BTreeSet<EventType>, String> {
    let mut events = BTreeSet::new();
    for list in source.split("[EventType] =").skip(1) {
        let list = list.split(';').next().unwrap_or_default();
        for member in list.split("EventType::").skip(1) {
            let name: String = member.chars().take_while(char::is_ascii_alphanumeric).collect();
            match EventType::from_name(&name) {
                Some(event) => _ = events.insert(event),
                None if name == "ALL" => events.extend(EventType::ALL),
                None => return Err(name),
            }
        }
    }
    Ok(events)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_found_however_they_are_set() {
        let source = "const HANDLES: &'static [EventType] =\n    &[EventType::OrderCreated];\n\
            let other = EventType::OrderFailed;\n\
            pub const WANTS: &[EventType] = &[\n    EventType::StockChanged,\n];\n";
        let found = listed(source).unwrap();
        assert_eq!(found, [EventType::OrderCreated, EventType::StockChanged].into());
        assert_eq!(listed("fn f(wants: &[EventType]) {}"), Ok(BTreeSet::new()));
        assert_eq!(
            listed("H: &[EventType] = EventType::ALL;").unwrap().len(),
            EventType::ALL.len()
        );
        let unknown = listed("H: &[EventType] = &[EventType::OrderPraised];");
        assert_eq!(unknown, Err("OrderPraised".to_owned()));
    }
}
