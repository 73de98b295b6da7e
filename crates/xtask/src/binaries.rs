//! The services' programs, built with cargo.

use std::path::PathBuf;
use std::process::Stdio;

use anyhow::{Context, Result, ensure};
use test_support::stack::{SERVICES, checkout};
use tokio::process::Command;

use crate::say;

/// How the services are compiled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Profile {
    /// Without optimisation: built sooner.
    Debug,
    /// As shipped.
    Release,
}

impl Profile {
    /// What a command's `--debug` asks for.
    pub fn of(debug: bool) -> Self {
        if debug { Self::Debug } else { Self::Release }
    }

    /// Where cargo puts what it has built, below its target folder.
    fn folder(self) -> &'static str {
        match self {
            Self::Debug => "debug",
            Self::Release => "release",
        }
    }
}

/// Set for the tests of a whole workspace, with which cargo builds the services as well: building them by
/// themselves means other features of their dependencies, and so building those again.
pub(crate) const BUILT: &str = "BOUTIQUE_SERVICES_ARE_BUILT";

/// The program that places the orders of a benchmark, and its package.
pub(crate) const GENERATOR: (&str, &str) = ("boutique-load", "bench");

/// Builds all services and the operators' command line, with cargo's own progress shown, and returns the folder they are in.
///
/// As shipped with the generator of load beside them: what is built by one command shares its dependencies,
/// and by two they are built twice, for each with the features it asks for.
pub async fn build(profile: Profile) -> Result<PathBuf> {
    if profile == Profile::Debug && std::env::var_os(BUILT).is_some() {
        return Ok(target_dir().await?.join("debug"));
    }
    say("building the services");
    let mut command = cargo();
    command.arg("build");
    if profile == Profile::Release {
        command.args(["--release", "--package", GENERATOR.1]);
    }
    for package in SERVICES.into_iter().chain(["boutique"]) {
        command.args(["--package", package]);
    }
    let status = command.status().await.context("cannot run cargo")?;
    ensure!(status.success(), "building the services failed ({status})");
    Ok(target_dir().await?.join(profile.folder()))
}

/// Cargo, in the checkout.
pub(crate) fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(checkout()).stdin(Stdio::null()).kill_on_drop(true);
    command
}

async fn target_dir() -> Result<PathBuf> {
    let output = cargo()
        .args(["metadata", "--no-deps", "--format-version", "1"])
        .stderr(Stdio::inherit())
        .output()
        .await
        .context("cannot run cargo")?;
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout)?;
    metadata["target_directory"].as_str().map(PathBuf::from).context("cargo tells no target folder")
}
