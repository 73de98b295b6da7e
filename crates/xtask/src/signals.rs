//! Being asked to end.

use anyhow::Result;
use tokio::signal::unix::{SignalKind, signal};

/// Returns when Ctrl-C is pressed, the terminal closes, or the process is asked to end.
pub(crate) async fn interrupted() -> Result<()> {
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
