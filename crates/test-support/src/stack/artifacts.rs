//! The servers' programs: fetched once from Maven Central, cached in the checkout.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use nix::fcntl::{Flock, FlockArg};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::Command;
use tokio::time::Instant;

use super::folders::{PROGRAMS, fnv1a, make_dir, private_dir, world_dir};
use super::process::{log_tail, run_to_end};
use super::{Progress, needs};

const POM: &str = include_str!("../../stack/pom.xml");

/// Where the servers' programs are.
#[derive(Debug, Clone)]
pub struct Artifacts {
    pub(crate) java: PathBuf,
    /// Folder of Kafka's jars.
    pub(super) kafka: PathBuf,
    /// Folder with Postgres' `bin`, `lib` and `share`, where its account can reach it.
    pub(super) postgres: PathBuf,
}

impl Artifacts {
    /// Finds the programs under `.local/` of the checkout, and fetches what is missing.
    ///
    /// What was fetched appears under its final name only once it is whole; a lock keeps two
    /// processes from fetching at the same time.
    pub async fn ensure(checkout: &Path, progress: Progress<'_>) -> Result<Self> {
        let java = needs::java(progress).await?;
        let platform = match (std::env::consts::OS, std::env::consts::ARCH) {
            ("linux", "x86_64") => "linux-amd64",
            ("linux", "aarch64") => "linux-arm64v8",
            (os, arch) => bail!(
                "no Postgres for {os} on {arch} is known here; point DATABASE_URL and KAFKA_BROKERS at existing servers"
            ),
        };
        let local = private_dir(checkout)?;
        let world = world_dir(checkout)?;
        // Named after the versions in it, so that a change of the pom fetches anew.
        let name = format!("{PROGRAMS}{platform}-{:016x}", fnv1a(POM.as_bytes()));
        let whole = local.join(&name);
        let reachable = world.join(&name);
        let found = Self { java, kafka: whole.join("jars"), postgres: reachable.join("postgres") };
        if whole.is_dir() && reachable.is_dir() {
            return Ok(found);
        }
        let _lock = lock(local.join("servers.lock"), progress).await?;
        if !whole.is_dir() {
            fetch(&found.java, platform, &whole, progress).await.context("fetching the servers")?;
        }
        if !reachable.is_dir() {
            let partial = partial(&reachable)?;
            let mut copy = Command::new("cp");
            copy.arg("-a").arg(whole.join("postgres")).arg(&partial);
            run_to_end("copying Postgres", copy, &local.join("fetch.log")).await?;
            std::fs::rename(&partial, &reachable)?;
        }
        Ok(found)
    }
}

async fn fetch(java: &Path, platform: &str, whole: &Path, progress: Progress<'_>) -> Result<()> {
    let maven = needs::maven(progress).await?;
    let partial = partial(whole)?;
    let log = whole.with_file_name("fetch.log");
    std::fs::write(&log, "")?;
    let pom = partial.join("pom.xml");
    std::fs::write(&pom, POM)?;
    let mut command = Command::new(maven);
    command
        .args(["--batch-mode", "--file"])
        .arg(&pom)
        .arg(format!("-Dpostgres.platform={platform}"))
        .arg(format!("-Dout={}", partial.display()))
        .args(["dependency:copy-dependencies", "antrun:run"]);
    // The Java that was found new enough, also where the PATH holds an older one.
    if let Some(home) = java.canonicalize()?.parent().and_then(Path::parent) {
        command.env("JAVA_HOME", home);
    }
    progress("fetching Kafka and Postgres with Maven (about 60 MB, once)");
    run_maven(command, &log, progress).await?;

    let postgres = partial.join("postgres");
    make_dir(&postgres)?;
    let mut unpack = Command::new("tar");
    unpack.arg("--extract").arg("--file").arg(partial.join("postgres.tar"));
    unpack.args(["--no-same-owner", "--directory"]).arg(&postgres);
    run_to_end("unpacking Postgres", unpack, &log).await?;
    // Its own account runs it, whatever the umask made of its folders.
    let mut open = Command::new("chmod");
    open.args(["--recursive", "a+rX"]).arg(&postgres);
    run_to_end("opening Postgres' folder", open, &log).await?;
    for left in ["postgres.tar", "postgres.tar.xz"] {
        std::fs::remove_file(partial.join(left))?;
    }
    std::fs::rename(&partial, whole)?;
    Ok(())
}

/// Runs Maven, copies what it says to the log, and tells every few seconds how far it is.
async fn run_maven(mut command: Command, log: &Path, progress: Progress<'_>) -> Result<()> {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(std::fs::File::options().append(true).open(log)?)
        .kill_on_drop(true)
        .spawn()
        .context("cannot run Maven")?;
    let stdout = child.stdout.take().context("Maven's output is not there")?;
    let mut lines = BufReader::new(stdout).split(b'\n');
    let mut out = tokio::fs::File::options().append(true).open(log).await?;
    let mut files = 0_u32;
    let mut told = Instant::now();
    while let Some(mut line) = lines.next_segment().await? {
        files += u32::from(line.starts_with(b"[INFO] Downloaded"));
        line.push(b'\n');
        out.write_all(&line).await?;
        if told.elapsed() > Duration::from_secs(3) {
            told = Instant::now();
            progress(&format!("  … {files} files downloaded so far"));
        }
    }
    out.flush().await?;
    let status = child.wait().await?;
    anyhow::ensure!(status.success(), "Maven failed ({status}); {}", log_tail(log));
    Ok(())
}

/// A fresh folder beside the final one. What killed runs left is removed; since one's Maven may
/// still be writing, each run has a name of its own.
pub(crate) fn partial(whole: &Path) -> Result<PathBuf> {
    let prefix = format!("{}.partial-", whole.file_name().unwrap_or_default().display());
    for entry in whole.parent().unwrap_or(whole).read_dir()?.flatten() {
        if entry.file_name().to_string_lossy().starts_with(&prefix) {
            std::fs::remove_dir_all(entry.path())?;
        }
    }
    let partial = whole.with_file_name(format!("{prefix}{}", std::process::id()));
    make_dir(&partial)?;
    Ok(partial)
}

pub(crate) async fn lock(path: PathBuf, progress: Progress<'_>) -> Result<Flock<std::fs::File>> {
    let file = std::fs::File::create(&path)?;
    match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
        Ok(lock) => Ok(lock),
        Err((file, _)) => {
            progress("waiting for another process that fetches the servers");
            tokio::task::spawn_blocking(|| Flock::lock(file, FlockArg::LockExclusive))
                .await?
                .map_err(|(_, error)| error)
                .with_context(|| format!("cannot lock {}", path.display()))
        }
    }
}
