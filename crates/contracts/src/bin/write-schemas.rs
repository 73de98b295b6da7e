//! Writes the documents of the contracts; run by `cargo xtask contracts`.

use std::{
    collections::BTreeMap,
    env,
    error::Error,
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};

use contracts::schema::{self, API, RELEASED};
use serde_json::Value;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// With `--release` also the released ones, those of HTTP among them, unless they would break.
fn run() -> Result<(), Box<dyn Error>> {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = package.join("schemas");
    let released = folder.join(RELEASED);
    let services = package.join("../../services");

    fs::create_dir_all(&folder)?;
    for entry in fs::read_dir(&folder)? {
        let path = entry?.path();
        if path.is_dir() && path != released {
            fs::remove_dir_all(path)?;
        }
    }
    write(&folder, schema::documents(&services)?)?;
    let page = schema::page(&services, &package.join("golden"))?;
    fs::write(package.join("../..").join(schema::PAGE), page)?;
    if env::args().any(|argument| argument == "--release") {
        let http = package.join("../..").join(API);
        let released_http = http.join(RELEASED);
        let current = schema::read_documents(&http)?;
        let mut breaking =
            schema::breaking_changes(&schema::read_schemas(&released)?, &schema::schemas());
        breaking.extend(schema::breaking_http_changes(
            &schema::read_documents(&released_http)?,
            &current,
        ));
        if !breaking.is_empty() {
            return Err(format!("not released, since it breaks:\n{}", breaking.join("\n")).into());
        }
        write(&released, schema::schemas())?;
        write(&released_http, current)?;
    }
    Ok(())
}

fn write(folder: &Path, documents: BTreeMap<PathBuf, Value>) -> Result<(), Box<dyn Error>> {
    for (path, document) in documents {
        let path = folder.join(path);
        fs::create_dir_all(path.parent().unwrap_or(folder))?;
        fs::write(path, schema::text(document))?;
    }
    Ok(())
}
