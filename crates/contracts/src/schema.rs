//! What the contracts look like from outside Rust: a JSON Schema of each event,
//! an `AsyncAPI` document of all topics, and a page of both for people. They
//! are made of the types, and written by `cargo xtask contracts`: the page to
//! [`PAGE`], the others under `schemas/`.
//!
//! What services answer over HTTP, they tell themselves. Here it is held against
//! the last release, as the events are.

mod asyncapi;
mod compatibility;
mod consumers;
mod event;
mod markdown;

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

use serde_json::Value;

pub use self::{
    compatibility::{breaking_changes, breaking_http_changes},
    consumers::{Consumers, read as read_consumers},
    event::schema,
};
use crate::events::EventType;

/// The document of all topics.
pub const ASYNCAPI: &str = "asyncapi.json";

/// The page of all topics, below the folder of the whole project.
pub const PAGE: &str = "docs/topics.md";

/// The services' OpenAPI documents, below the folder of the whole project.
pub const API: &str = "docs/api";

/// The schemas and the services' documents as of the last release, each below the folder of those of now; written at a
/// release alone.
pub const RELEASED: &str = "released";

/// Where a schema is, below the folder of the schemas or that of the released ones.
pub fn path(event: EventType) -> PathBuf {
    Path::new(event.topic().name()).join(format!("{event}.json"))
}

/// All schemas, by their paths.
pub fn schemas() -> BTreeMap<PathBuf, Value> {
    EventType::ALL.iter().map(|event| (path(*event), schema(*event))).collect()
}

/// The schemas that were written below `folder`, by their paths; none if it is not there.
pub fn read_schemas(folder: &Path) -> io::Result<BTreeMap<PathBuf, Value>> {
    let mut schemas = BTreeMap::new();
    for topic in entries(folder)? {
        for (name, schema) in read_documents(&topic.path())? {
            schemas.insert(Path::new(&topic.file_name()).join(name), schema);
        }
    }
    Ok(schemas)
}

/// The JSON documents that lie in `folder` itself, by their names; none if it is not there.
pub fn read_documents(folder: &Path) -> io::Result<BTreeMap<PathBuf, Value>> {
    let mut documents = BTreeMap::new();
    for file in entries(folder)? {
        let name = PathBuf::from(file.file_name());
        if name.extension().is_some_and(|extension| extension == "json") {
            documents.insert(name, serde_json::from_slice(&fs::read(file.path())?)?);
        }
    }
    Ok(documents)
}

/// What lies in `folder`; nothing if it is not there.
fn entries(folder: &Path) -> io::Result<Vec<fs::DirEntry>> {
    if folder.exists() { fs::read_dir(folder)?.collect() } else { Ok(Vec::new()) }
}

/// All documents, by their paths, for the services whose sources are below `services`.
pub fn documents(services: &Path) -> io::Result<BTreeMap<PathBuf, Value>> {
    let mut documents = schemas();
    documents.insert(ASYNCAPI.into(), asyncapi::document(&read_consumers(services)?));
    Ok(documents)
}

/// The page of all topics, for the services whose sources are below `services`; the samples below `golden` are its
/// examples.
pub fn page(services: &Path, golden: &Path) -> io::Result<String> {
    markdown::page(&read_consumers(services)?, golden)
}

/// A document as it is written: the same bytes wherever it is made.
pub fn text(mut document: Value) -> String {
    // Another crate of the build may have told serde_json to keep the order of insertion.
    document.sort_all_objects();
    format!("{document:#}\n")
}
