//! Python programs with exactly the packages they ask for.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use tokio::process::Command;

use crate::stack::{Progress, checkout, fnv1a, lock, needs, private_dir, run_to_end};

/// The Python of an environment that has what this file of pinned requirements lists; made once, under `.local/`
/// of the checkout.
pub async fn python(requirements: &Path, progress: Progress<'_>) -> Result<PathBuf> {
    let list = std::fs::read(requirements)
        .with_context(|| format!("cannot read {}", requirements.display()))?;
    // Named after what is in it, so that a change makes another.
    let local = private_dir(&checkout())?;
    let whole = local.join(format!("python-{:016x}", fnv1a(&list)));
    let program = whole.join("bin/python");
    if whole.join("whole").exists() {
        return Ok(program);
    }
    let _lock = lock(local.join("servers.lock"), progress).await?;
    // It may have been made meanwhile.
    if whole.join("whole").exists() {
        return Ok(program);
    }
    let system = needs::python(progress).await?;
    progress(&format!("fetching the Python packages of {} (once)", requirements.display()));
    if whole.exists() {
        std::fs::remove_dir_all(&whole)?;
    }
    std::fs::create_dir_all(&whole)?;
    let log = whole.with_extension("log");
    std::fs::write(&log, "")?;
    let mut make = Command::new(system);
    make.args(["-m", "venv"]).arg(&whole);
    run_to_end("python -m venv", make, &log).await?;
    let mut install = Command::new(&program);
    install
        .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement"])
        .arg(requirements);
    run_to_end("pip install", install, &log).await?;
    // Written last: without it the environment is not whole.
    std::fs::write(whole.join("whole"), "")?;
    Ok(program)
}
