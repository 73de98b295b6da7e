//! A schema registry of one test alone.

#![allow(clippy::expect_used, reason = "only tests call it, and they end by a panic")]

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use nix::sys::signal::Signal;
use tokio::process::Command;

use crate::own::{artifacts, own_folders, remove};
use crate::stack::{
    Folders, ServerProcess, checkout, free_port, lock, needs, partial, private_dir, run_to_end,
    wait_ready,
};

const VERSION: &str = "2.6.13.Final";
const START: Duration = Duration::from_mins(2);
const STOP: Duration = Duration::from_secs(5);

/// Apicurio Registry, which speaks as Confluent's does and keeps what it is told in memory. It ends when it is
/// dropped.
#[derive(Debug)]
pub struct OwnRegistry {
    /// For those who register schemas.
    pub url: String,
    process: ServerProcess,
    folders: Folders,
}

impl OwnRegistry {
    /// Starts it on a free port; its program is fetched from Maven Central once.
    ///
    /// # Panics
    ///
    /// When it does not start.
    pub async fn start() -> Self {
        Self::try_start().await.expect("the schema registry starts")
    }

    async fn try_start() -> Result<Self> {
        let (java, folders) = (artifacts().await.java, own_folders().await);
        let programs = program().await?;
        let port = free_port()?;
        let (log, pid_file) = (folders.local().join("registry.log"), pid_file(&folders));
        let mut command = Command::new(java);
        command
            .args(["-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"])
            .arg("-Dquarkus.http.host=127.0.0.1")
            .arg(format!("-Dquarkus.http.port={port}"))
            .arg("-jar")
            .arg(programs.join(format!("apicurio-registry-app-{VERSION}-runner.jar")))
            .current_dir(folders.local());
        let process = ServerProcess::spawn(command, &log, &pid_file)?;
        let url = format!("http://127.0.0.1:{port}/apis/ccompat/v7");
        let started = wait_ready("the schema registry", &process, &log, START, async || {
            let answer = reqwest::get(format!("{url}/subjects")).await?;
            ensure!(answer.status().is_success(), "it answers {}", answer.status());
            Ok(())
        });
        if let Err(error) = started.await {
            process.send(Signal::SIGKILL);
            return Err(error);
        }
        Ok(Self { url, process, folders })
    }

    /// Stops the one that runs in the folders of a test.
    pub(crate) async fn stop_in(folders: &Folders) {
        if let Some(process) = ServerProcess::find(&pid_file(folders)) {
            process.end(Signal::SIGKILL, STOP).await;
        }
    }
}

impl Drop for OwnRegistry {
    fn drop(&mut self) {
        remove(&[&self.process], Signal::SIGKILL, &self.folders);
    }
}

fn pid_file(folders: &Folders) -> PathBuf {
    folders.local().join("registry.pid")
}

/// The folder of its program.
async fn program() -> Result<PathBuf> {
    let local = private_dir(&checkout())?;
    let whole = local.join(format!("registry-{VERSION}"));
    if whole.is_dir() {
        return Ok(whole);
    }
    // One that was fetched meanwhile is there once the lock is had.
    let _lock = lock(local.join("servers.lock"), &|_| ()).await?;
    if whole.is_dir() {
        return Ok(whole);
    }
    let partial = partial(&whole)?;
    fetch(&partial, &local.join("fetch.log")).await.context("fetching the schema registry")?;
    std::fs::rename(&partial, &whole)?;
    Ok(whole)
}

async fn fetch(into: &Path, log: &Path) -> Result<()> {
    let maven = needs::maven(&|_| ()).await?;
    let mut copy = Command::new(maven);
    copy.args(["--batch-mode", "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy"])
        .arg(format!("-Dartifact=io.apicurio:apicurio-registry-app:{VERSION}:tar.gz:all"))
        .arg(format!("-DoutputDirectory={}", into.display()))
        .current_dir(into);
    run_to_end("mvn dependency:copy", copy, log).await?;
    let archive = into.join(format!("apicurio-registry-app-{VERSION}-all.tar.gz"));
    let mut unpack = Command::new("tar");
    unpack.arg("--extract").arg("--gzip").arg("--file").arg(&archive);
    unpack.args(["--no-same-owner", "--directory"]).arg(into);
    run_to_end("unpacking the schema registry", unpack, log).await?;
    std::fs::remove_file(archive)?;
    Ok(())
}
