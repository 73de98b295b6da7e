//! Being asked to end.

use std::fmt;

use anyhow::Error;
use tokio::signal::unix::{SignalKind, signal};

/// Somebody asked for the end of what was going on.
#[derive(Debug)]
pub(crate) struct Interrupted;

impl std::error::Error for Interrupted {}

impl fmt::Display for Interrupted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("interrupted")
    }
}

/// Returns when Ctrl-C is pressed, the terminal closes, or the process is asked to end: [`Interrupted`].
pub(crate) async fn interrupted() -> Error {
    waited().await.err().unwrap_or_else(|| Interrupted.into())
}

async fn waited() -> anyhow::Result<()> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hangup = signal(SignalKind::hangup())?;
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
        _ = hangup.recv() => {}
    }
    Ok(())
}
