//! The committed documents are those of the types, and what was released still holds.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use contracts::schema::{self, API, PAGE, RELEASED};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas")
}

fn services() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../services")
}

/// The files of the folder but for those of the last release.
fn committed() -> BTreeSet<PathBuf> {
    let mut files = BTreeSet::new();
    for entry in fs::read_dir(folder()).unwrap().map(Result::unwrap) {
        let name = PathBuf::from(entry.file_name());
        if !entry.path().is_dir() {
            files.insert(name);
        } else if name != Path::new(RELEASED) {
            let inner = fs::read_dir(entry.path()).unwrap().map(Result::unwrap);
            files.extend(inner.map(|file| name.join(file.file_name())));
        }
    }
    files
}

#[test]
fn the_committed_documents_are_those_of_the_types() {
    let current = schema::documents(&services()).unwrap();
    let mut stale: Vec<PathBuf> = committed().into_iter().collect();
    stale.retain(|path| !current.contains_key(path));
    stale.extend(current.into_iter().filter_map(|(path, document)| {
        let text = fs::read_to_string(folder().join(&path)).unwrap_or_default();
        (text != schema::text(document)).then_some(path)
    }));
    assert!(
        stale.is_empty(),
        "stale below crates/contracts/schemas: {stale:?}; run `cargo xtask contracts` and commit what it writes"
    );
}

#[test]
fn the_committed_page_is_that_of_the_types() {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let current = schema::page(&services(), &package.join("golden")).unwrap();
    let committed = fs::read_to_string(package.join("../..").join(PAGE)).unwrap_or_default();
    // Not the whole of both: that would tell nobody what has changed.
    let same = current.lines().zip(committed.lines()).take_while(|(a, b)| a == b).count();
    assert!(
        current == committed,
        "{PAGE} is stale from line {} on; run `cargo xtask contracts` and commit what it writes",
        same + 1
    );
}

#[test]
fn what_was_released_still_holds() {
    let released = schema::read_schemas(&folder().join(RELEASED)).unwrap();
    assert!(!released.is_empty(), "nothing to compare with");
    let breaking = schema::breaking_changes(&released, &schema::schemas());
    assert!(
        breaking.is_empty(),
        "breaking changes of released contracts:\n  {}\n\
         Add an optional field or an event instead; or leave this topic's events as they were and\n\
         publish the new ones on a new version of the topic (`orders.v2`), beside the old one until\n\
         nobody reads that.",
        breaking.join("\n  ")
    );
}

/// Tests of the services name a document of now that is stale.
#[test]
fn what_was_released_of_http_still_holds() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(API);
    let released = schema::read_documents(&folder.join(RELEASED)).unwrap();
    assert!(!released.is_empty(), "nothing to compare with");
    let current = schema::read_documents(&folder).unwrap();
    let breaking = schema::breaking_http_changes(&released, &current);
    assert!(
        breaking.is_empty(),
        "breaking changes of released HTTP:\n  {}\n\
         Add an optional field or parameter, or a field of an answer, instead; or leave this route as it\n\
         was and add another beside it. What must break waits for the next major version.",
        breaking.join("\n  ")
    );
}
