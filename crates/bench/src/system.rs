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

/// The most memory that this process had resident, in KiB. What `getrusage` tells includes what whoever started it
/// had at that moment.
fn peak_rss_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    peak.and_then(|kib| kib.split_whitespace().next()?.parse().ok()).unwrap_or_default()
}

/// What this process has cost so far.
pub fn used() -> Result<Used> {
    Ok(Used { cpu: cpu(UsageWho::RUSAGE_SELF)?, peak_rss_kib: peak_rss_kib() })
}

/// Processor time of those that it has started and that have ended.
pub fn cpu_of_children() -> Result<Duration> {
    cpu(UsageWho::RUSAGE_CHILDREN)
}

fn cpu(who: UsageWho) -> Result<Duration> {
    let usage = getrusage(who)?;
    Ok(duration(usage.user_time()) + duration(usage.system_time()))
}

fn duration(time: TimeVal) -> Duration {
    let micros = time.tv_sec() * 1_000_000 + time.tv_usec();
    Duration::from_micros(u64::try_from(micros).unwrap_or_default())
}
