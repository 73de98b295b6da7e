use std::time::Duration;

use tokio::time::Instant;

/// What each event of a batch adds to the time in which the next one may gather.
const FOR_EACH: Duration = Duration::from_millis(5);
const LONGEST: Duration = Duration::from_millis(60);

/// Lets a busy task begin its batches a little apart, so that each is larger and costs less an event.
///
/// The time grows with the size of the batch before: an idle task waits for nobody, and one that is
/// overtaxed has spent the time working anyway. Behind a full batch nobody waits: there is more than enough already.
#[derive(Debug)]
pub struct Linger {
    next: Instant,
}

impl Linger {
    /// Nothing to wait for yet.
    pub fn new() -> Self {
        Self { next: Instant::now() }
    }

    /// A batch of so many begins now, which may be as large as batches get.
    pub fn begin(&mut self, size: usize, is_full: bool) {
        self.next = Instant::now() + if is_full { Duration::ZERO } else { time_after(size) };
    }

    /// Resolves when the next batch may begin.
    pub async fn over(&self) {
        if self.next > Instant::now() {
            tokio::time::sleep_until(self.next).await;
        }
    }
}

impl Default for Linger {
    fn default() -> Self {
        Self::new()
    }
}

fn time_after(size: usize) -> Duration {
    let others = u32::try_from(size.saturating_sub(1)).unwrap_or(u32::MAX);
    FOR_EACH.saturating_mul(others).min(LONGEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lone_event_is_not_waited_behind_and_a_crowd_is_for_a_bounded_time() {
        assert_eq!(time_after(0), Duration::ZERO);
        assert_eq!(time_after(1), Duration::ZERO);
        assert_eq!(time_after(3), FOR_EACH * 2);
        assert_eq!(time_after(500), LONGEST);
        assert_eq!(time_after(usize::MAX), LONGEST);
    }

    #[test]
    fn nobody_waits_behind_a_full_batch() {
        let mut linger = Linger::new();
        linger.begin(500, true);
        assert!(linger.next <= Instant::now());
        linger.begin(500, false);
        assert!(linger.next > Instant::now());
    }
}
