//! How a process ends: first its clients are sent elsewhere, then its work is finished.

use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// How long a process that was told to stop still takes requests: for whoever sends them to hear that it
/// is not ready any more, and to send them to another replica.
const LEAVING: Duration = Duration::from_secs(1);

/// The two moments of an end. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct End {
    /// Not ready any more; each connection ends with its next answer. Cancelled by the shutdown as well.
    pub leaving: CancellationToken,
    /// Nobody is let in any more, and all tasks and streams end.
    pub shutdown: CancellationToken,
}

impl End {
    /// An end that is yet to come.
    pub fn new() -> Self {
        let shutdown = CancellationToken::new();
        Self { leaving: shutdown.child_token(), shutdown }
    }

    /// The same, which SIGTERM brings, or Ctrl-C: whoever presses it waits, and there is nobody to send elsewhere.
    pub fn on_signal() -> anyhow::Result<Self> {
        let end = Self::new();
        let (mut terminate, mut interrupt) =
            (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        let Self { leaving, shutdown } = end.clone();
        tokio::spawn(async move {
            tokio::select! {
                _ = terminate.recv() => {
                    tracing::info!(signal = "SIGTERM", "stopping");
                    leaving.cancel();
                    tokio::time::sleep(LEAVING).await;
                }
                _ = interrupt.recv() => tracing::info!(signal = "SIGINT", "stopping"),
            }
            shutdown.cancel();
        });
        Ok(end)
    }
}
