//! The documents that are made of the event contracts.

use anyhow::{Context, Result, ensure};

use crate::binaries::cargo;

/// Writes schemas, `AsyncAPI` document and page; at a release also what later schemas and services are held against.
///
/// By a program of the contracts themselves: what it is built with, no other command needs.
pub async fn write(release: bool) -> Result<()> {
    let mut command = cargo();
    command.args(["run", "--quiet", "--package", "contracts", "--features", "schema"]);
    command.args(["--bin", "write-schemas", "--"]).args(release.then_some("--release"));
    let status = command.status().await.context("cannot run cargo")?;
    ensure!(status.success(), "the documents could not be written ({status})");
    Ok(())
}
