//! Ending the stack from another shell.

use std::time::Duration;

use anyhow::Result;
use nix::sys::signal::Signal;
use test_support::stack::{Folders, checkout};

use crate::say;
use crate::stack::{NAME, stop, supervisor, supervisor_pid_file};

/// More than everything it stops may take one after the other.
const PATIENCE: Duration = Duration::from_secs(90);

/// Stops the stack that `up` keeps up, or what was left of one that was killed.
pub async fn down() -> Result<()> {
    end(&Folders::new(&checkout(), NAME)?).await;
    say("the stack is down");
    Ok(())
}

/// Stops all stacks of this checkout and deletes their data; the servers' programs are kept.
pub async fn reset() -> Result<()> {
    for name in Folders::names(&checkout())? {
        say(&format!("stopping and deleting {name}"));
        let folders = Folders::new(&checkout(), &name)?;
        end(&folders).await;
        folders.remove()?;
    }
    Ok(())
}

/// Stops the stacks whose command was killed, but for the one of `up`, which `down` ends.
pub(crate) async fn stop_abandoned() -> Result<()> {
    for name in Folders::names(&checkout())? {
        let folders = Folders::new(&checkout(), &name)?;
        let had_supervisor = supervisor_pid_file(&folders).exists();
        if name != NAME && had_supervisor && supervisor(&folders).is_none() {
            stop(&folders).await;
        }
    }
    Ok(())
}

async fn end(folders: &Folders) {
    if let Some(supervisor) = supervisor(folders) {
        supervisor.end(Signal::SIGTERM, PATIENCE).await;
    }
    stop(folders).await;
}
