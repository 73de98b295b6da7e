//! Server processes that outlive the one that started them, known by a pid file.

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;
use tokio::process::Command;
use tokio::time::{Instant, sleep};

/// A process and the moment it started: together they name it even after its pid is reused.
#[derive(Debug, Clone)]
pub struct ServerProcess {
    pid: u32,
    /// Clock ticks since boot.
    started: u64,
    pid_file: PathBuf,
}

impl ServerProcess {
    /// Starts `command` in its own process group, so that Ctrl-C in a terminal reaches only the
    /// one who supervises it, with its output appended to `log`.
    ///
    /// The process is not ended when the handle is dropped.
    pub fn spawn(mut command: Command, log: &Path, pid_file: &Path) -> Result<Self> {
        let program = command.as_std().get_program().to_os_string();
        let out = std::fs::File::options()
            .create(true)
            .append(true)
            .open(log)
            .with_context(|| format!("cannot write {}", log.display()))?;
        let err = out.try_clone()?;
        let child = command
            .stdin(Stdio::null())
            .stdout(out)
            .stderr(err)
            .process_group(0)
            .spawn()
            .with_context(|| format!("cannot run {}", program.display()))?;
        let pid = child.id().context("the process ended at once")?;
        Self::register(pid, pid_file)
    }

    /// Writes a pid file for a process that runs, so that another one can find it.
    pub fn register(pid: u32, pid_file: &Path) -> Result<Self> {
        let started = stat(pid).with_context(|| format!("cannot look up process {pid}"))?.started;
        std::fs::write(pid_file, format!("{pid} {started}\n"))
            .with_context(|| format!("cannot write {}", pid_file.display()))?;
        Ok(Self { pid, started, pid_file: pid_file.to_path_buf() })
    }

    /// The process a pid file tells of, if it still runs; a file that tells of one that is gone
    /// is removed.
    pub fn find(pid_file: &Path) -> Option<Self> {
        let text = std::fs::read_to_string(pid_file).ok()?;
        let mut words = text.split_whitespace();
        let found = words.next().zip(words.next()).and_then(|(pid, started)| {
            Some(Self {
                pid: pid.parse().ok()?,
                started: started.parse().ok()?,
                pid_file: pid_file.to_path_buf(),
            })
        });
        match found {
            Some(process) if process.is_alive() => Some(process),
            _ => {
                let _ = std::fs::remove_file(pid_file);
                None
            }
        }
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// What it has cost so far, with its children: those that run, and those that have ended.
    pub fn cost(&self) -> ProcessCost {
        let mut family = self.family();
        let mut cost = ProcessCost::default();
        for _ in 0..READINGS {
            cost = ProcessCost::of_all(&family);
            // That of a child which is gone by now may be missing: it was no longer the child's, and not yet its parent's.
            let before = std::mem::replace(&mut family, self.family());
            if before == family {
                break;
            }
        }
        cost
    }

    /// Lets the peak of its memory, and of its children's, be that of what follows. Where that is not allowed, it stays
    /// that since their start.
    pub fn forget_peak(&self) {
        for (pid, _) in self.family() {
            let _ = std::fs::write(format!("/proc/{pid}/clear_refs"), "5");
        }
    }

    /// Whether it runs; one that ended and was not yet waited for does not.
    pub fn is_alive(&self) -> bool {
        stat(self.pid).is_some_and(|stat| stat.started == self.started && !stat.ended)
    }

    /// Sends `signal` and does not wait.
    pub fn send(&self, signal: Signal) {
        if self.is_alive() {
            send(self.pid, signal);
        }
    }

    /// Sends `signal` and waits until the process and the children it had are gone; after
    /// `patience` they are killed.
    pub async fn end(&self, signal: Signal, patience: Duration) {
        let family = self.family();
        self.send(signal);
        self.wait_gone(&family, patience).await;
    }

    /// Kills the process with all of its group, and waits until it and its children are gone.
    pub async fn kill_group(&self) {
        let family = self.family();
        if self.is_alive()
            && let Ok(group) = i32::try_from(self.pid)
        {
            let _ = killpg(Pid::from_raw(group), Signal::SIGKILL);
        }
        self.wait_gone(&family, Duration::ZERO).await;
    }

    fn family(&self) -> Vec<(u32, u64)> {
        std::iter::once((self.pid, self.started)).chain(children(self.pid)).collect()
    }

    async fn wait_gone(&self, family: &[(u32, u64)], patience: Duration) {
        let deadline = Instant::now() + patience;
        loop {
            let left: Vec<_> = family.iter().filter(|member| runs(member)).collect();
            if left.is_empty() {
                break;
            }
            if Instant::now() > deadline {
                for (pid, _) in left {
                    send(*pid, Signal::SIGKILL);
                }
            }
            sleep(Duration::from_millis(5)).await;
        }
        let _ = std::fs::remove_file(&self.pid_file);
    }
}

fn send(pid: u32, signal: Signal) {
    if let Ok(pid) = i32::try_from(pid) {
        // It may have ended in between: that is what is wanted.
        let _ = kill(Pid::from_raw(pid), signal);
    }
}

fn runs((pid, started): &(u32, u64)) -> bool {
    stat(*pid).is_some_and(|stat| stat.started == *started && !stat.ended)
}

/// Whether no process of that id runs any more.
pub(crate) fn is_gone(pid: u32) -> bool {
    stat(pid).is_none_or(|stat| stat.ended)
}

/// What a process has cost.
#[derive(Debug, Clone, Copy, Default)]
pub struct ProcessCost {
    /// Processor time, in steps of 10 ms; that of children it has waited for is counted in.
    pub cpu_micros: u64,
    /// The most memory it ever had resident; of several, that of the largest.
    pub peak_kib: u64,
}

impl ProcessCost {
    fn of_all(family: &[(u32, u64)]) -> Self {
        family.iter().map(|(pid, _)| Self::of(*pid)).fold(Self::default(), |a, b| Self {
            cpu_micros: a.cpu_micros + b.cpu_micros,
            peak_kib: a.peak_kib.max(b.peak_kib),
        })
    }

    /// Of one process; nothing where it is gone.
    pub fn of(pid: u32) -> Self {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let peak = peak.and_then(|rest| rest.split_whitespace().next()?.parse().ok());
        Self {
            cpu_micros: stat(pid).map_or(0, |stat| stat.cpu_ticks * TICK_MICROS),
            peak_kib: peak.unwrap_or(0),
        }
    }
}

/// How often a cost is read again because a child ended meanwhile.
const READINGS: usize = 10;

/// The unit of processor time in `/proc`, the same on every Linux that anybody runs.
const TICK_MICROS: u64 = 10_000;

struct Stat {
    parent: u32,
    started: u64,
    ended: bool,
    cpu_ticks: u64,
}

fn stat(pid: u32) -> Option<Stat> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in parentheses may hold anything; the fields after its last parenthesis cannot.
    let fields: Vec<_> = text.rsplit_once(')')?.1.split_whitespace().collect();
    Some(Stat {
        parent: fields.get(1)?.parse().ok()?,
        started: fields.get(19)?.parse().ok()?,
        ended: matches!(*fields.first()?, "Z" | "X"),
        // Its own in user and kernel mode, then that of its children.
        cpu_ticks: fields.get(11..15)?.iter().filter_map(|ticks| ticks.parse::<u64>().ok()).sum(),
    })
}

fn children(pid: u32) -> Vec<(u32, u64)> {
    let Ok(entries) = std::fs::read_dir("/proc") else {
        return Vec::new();
    };
    entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok())
        .filter_map(|child| Some((child, stat(child)?)))
        .filter(|(_, stat)| stat.parent == pid)
        .map(|(child, stat)| (child, stat.started))
        .collect()
}

/// Waits until `ready` holds. Fails when the process ends before, or after `patience`, and shows
/// the end of its log.
pub async fn wait_ready(
    name: &str,
    process: &ServerProcess,
    log: &Path,
    patience: Duration,
    mut ready: impl AsyncFnMut() -> Result<()>,
) -> Result<()> {
    let deadline = Instant::now() + patience;
    loop {
        // Looked at before, so that one that became ready and then ended counts as ready.
        let alive = process.is_alive();
        let Err(error) = ready().await else { return Ok(()) };
        if !alive {
            bail!("{name} ended while it started; {}", log_tail(log));
        }
        if Instant::now() > deadline {
            bail!("{name} is not ready after {patience:?}: {error:#}; {}", log_tail(log));
        }
        sleep(Duration::from_millis(20)).await;
    }
}

/// Runs a command to its end with its output appended to `log`.
pub async fn run_to_end(name: &str, mut command: Command, log: &Path) -> Result<()> {
    let out = std::fs::File::options().create(true).append(true).open(log)?;
    let err = out.try_clone()?;
    let program = command.as_std().get_program().to_os_string();
    let status = command
        .stdin(Stdio::null())
        .stdout(out)
        .stderr(err)
        .kill_on_drop(true)
        .status()
        .await
        .with_context(|| format!("cannot run {}", OsStr::new(&program).display()))?;
    anyhow::ensure!(status.success(), "{name} failed ({status}); {}", log_tail(log));
    Ok(())
}

/// The last lines of a log, with its name, to be shown with an error.
pub fn log_tail(log: &Path) -> String {
    const LINES: usize = 30;
    const BYTES: u64 = 16 * 1024;
    let mut text = format!("the end of {}:", log.display());
    let read = || -> std::io::Result<Vec<u8>> {
        let mut file = std::fs::File::open(log)?;
        let start = file.metadata()?.len().saturating_sub(BYTES);
        file.seek(SeekFrom::Start(start))?;
        let mut bytes = Vec::new();
        file.take(BYTES).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    match read() {
        Ok(bytes) => {
            let content = String::from_utf8_lossy(&bytes);
            let lines: Vec<_> = content.lines().collect();
            for line in lines.iter().skip(lines.len().saturating_sub(LINES)) {
                let _ = write!(text, "\n    {line}");
            }
        }
        Err(error) => {
            let _ = write!(text, " cannot be read: {error}");
        }
    }
    text
}
