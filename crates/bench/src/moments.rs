//! The moments at which orders are to be placed, and waiting for them.

use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// When each of the orders of a constant rate is due, counted from the first.
pub fn due(rate: f64, position: u64) -> Duration {
    #[allow(clippy::cast_precision_loss, reason = "far below 2^52 orders")]
    let position = position as f64;
    Duration::try_from_secs_f64(position / rate).unwrap_or(Duration::MAX)
}

/// Waits for moments to the tenth of a millisecond. The runtime's own timers know whole ones only, which is a
/// tenth of what is measured.
#[derive(Debug)]
pub struct Clock(AsyncFd<Timer>);

#[derive(Debug)]
struct Timer(TimerFd);

impl AsRawFd for Timer {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_fd().as_raw_fd()
    }
}

impl Clock {
    #[expect(deprecated, reason = "what replaces it is unsafe; a timer owns its descriptor")]
    pub fn new() -> Result<Self> {
        let flags = TimerFlags::TFD_NONBLOCK | TimerFlags::TFD_CLOEXEC;
        let timer = TimerFd::new(ClockId::CLOCK_MONOTONIC, flags).context("no timer")?;
        Ok(Self(AsyncFd::with_interest(Timer(timer), Interest::READABLE)?))
    }

    /// Returns when `moment` has come.
    pub async fn until(&self, moment: Instant) -> Result<()> {
        let wait = moment.saturating_duration_since(Instant::now());
        if wait.is_zero() {
            return Ok(());
        }
        let expiration = Expiration::OneShot(TimeSpec::from_duration(wait));
        self.0.get_ref().0.set(expiration, TimerSetTimeFlags::empty())?;
        loop {
            let mut ready = self.0.readable().await?;
            if ready.try_io(|timer| Ok(timer.get_ref().0.wait()?)).is_ok() {
                return Ok(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_are_due_at_even_distances() {
        assert_eq!(due(10.0, 0), Duration::ZERO);
        assert_eq!(due(10.0, 1), Duration::from_millis(100));
        assert_eq!(due(10.0, 35), Duration::from_millis(3500));
        // No error adds up over a long run.
        assert_eq!(due(3000.0, 3_000_000), Duration::from_secs(1000));
    }

    #[tokio::test]
    async fn a_moment_is_waited_for() {
        let clock = Clock::new().unwrap();
        for _ in 0..3 {
            let moment = Instant::now() + Duration::from_millis(3);
            clock.until(moment).await.unwrap();
            assert!(Instant::now() >= moment);
        }
        clock.until(Instant::now()).await.unwrap();
    }
}
