//! Waiting for a condition.

use std::panic::Location;
use std::time::Duration;

use tokio::time::{Instant, sleep};

/// Polls `condition` until it gives a value.
///
/// # Panics
///
/// When it gives none within `deadline`; the message names the place of the call.
#[track_caller]
pub fn eventually<T>(
    deadline: Duration,
    mut condition: impl AsyncFnMut() -> Option<T>,
) -> impl Future<Output = T> {
    let place = Location::caller();
    async move {
        let end = Instant::now() + deadline;
        loop {
            // A condition that hangs must not outlast the deadline either.
            if let Ok(Some(value)) = tokio::time::timeout_at(end, condition()).await {
                return value;
            }
            assert!(
                Instant::now() < end,
                "what is awaited at {place} did not happen within {deadline:?}"
            );
            sleep(Duration::from_millis(10)).await;
        }
    }
}
