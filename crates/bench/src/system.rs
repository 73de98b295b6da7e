//! What this process may use, and what it has used.

use std::time::Duration;

use anyhow::Result;
use nix::sys::resource::{Resource, UsageWho, getrlimit, getrusage, setrlimit};
use nix::sys::time::TimeVal;

/// Lets this process, and those it starts, have as many connections open as the system allows at all.
pub fn raise_open_files() -> Result<u64> {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard)?;
    Ok(hard)
}

/// What this process has cost so far.
#[derive(Debug, Clone, Copy)]
pub struct Used {
    /// Processor time, of which the system's own share is counted in.
    pub cpu: Duration,
    /// The most memory it had resident, in KiB.
    pub peak_rss_kib: u64,
}

/// What this process has cost so far.
pub fn used() -> Result<Used> {
    used_by(UsageWho::RUSAGE_SELF)
}

/// What those that it has started and that have ended have cost.
pub fn used_by_children() -> Result<Used> {
    used_by(UsageWho::RUSAGE_CHILDREN)
}

fn used_by(who: UsageWho) -> Result<Used> {
    let usage = getrusage(who)?;
    Ok(Used {
        cpu: duration(usage.user_time()) + duration(usage.system_time()),
        peak_rss_kib: u64::try_from(usage.max_rss()).unwrap_or_default(),
    })
}

fn duration(time: TimeVal) -> Duration {
    let micros = time.tv_sec() * 1_000_000 + time.tv_usec();
    Duration::from_micros(u64::try_from(micros).unwrap_or_default())
}
