//! All checks, one after the other: formatting, lints, documents, dependencies, tests.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use test_support::stack::{Folders, ServerProcess, checkout};
use test_support::{DATABASE_URL, KAFKA_BROKERS};
use tokio::process::Command;

use crate::binaries::{BUILT, cargo};
use crate::say;
use crate::servers::Servers;
use crate::signals::interrupted;
use crate::stack::{lock, supervisor_pid_file};
use crate::stop::stop_abandoned;
use crate::test_stack::{end, start_empty};

/// Apart from the stack of `test-stack`, so that both can run at once.
const NAME: &str = "test-run";

/// Runs all steps, also after one failed, the tests last.
///
/// # Errors
///
/// When a step failed, or the run was interrupted; nothing is left running either way.
pub async fn run(arguments: &[String]) -> Result<()> {
    let folders = Folders::new(&checkout(), NAME)?;
    let _lock = lock(&folders)?.context("the tests of this checkout are running already")?;
    ServerProcess::register(std::process::id(), &supervisor_pid_file(&folders))?;
    end_cargo(&folders).await;
    let outcome = tokio::select! {
        outcome = steps(&folders, arguments) => outcome,
        asked = interrupted() => Err(asked),
    };
    end_cargo(&folders).await;
    stop_abandoned().await?;
    end(&folders).await?;
    let _ = std::fs::remove_file(supervisor_pid_file(&folders));
    outcome
}

async fn steps(folders: &Folders, arguments: &[String]) -> Result<()> {
    let started = Instant::now();
    let mut failed = Vec::new();

    let mut format = cargo();
    format.args(["fmt", "--all", "--check"]);
    step(folders, "formatting", format, &mut failed).await;

    let mut lints = cargo();
    lints.args(["clippy", "--workspace", "--all-targets", "--", "--deny", "warnings"]);
    step(folders, "lints", lints, &mut failed).await;

    let mut documents = cargo();
    documents.args(["doc", "--workspace", "--no-deps"]).env("RUSTDOCFLAGS", "--deny warnings");
    step(folders, "documents", documents, &mut failed).await;

    if has_cargo_deny().await {
        let mut dependencies = cargo();
        dependencies.args(["deny", "--offline", "check", "bans", "licenses", "sources"]);
        step(folders, "dependencies", dependencies, &mut failed).await;
    } else {
        say("\n== dependencies: not checked, since cargo-deny is not installed");
    }

    let title = "test stack";
    say(&format!("\n== {title}"));
    let begun = Instant::now();
    match start_empty(folders).await {
        Ok(servers) => {
            say(&format!("== {title}: {}", seconds(begun.elapsed())));
            step(folders, "tests", tests(&servers, arguments), &mut failed).await;
        }
        Err(error) => {
            say(&format!("== {title} failed: {error:#}"));
            failed.push(title);
        }
    }

    ensure!(failed.is_empty(), "failed: {} (in {})", failed.join(", "), seconds(started.elapsed()));
    say(&format!("\nall steps passed in {}", seconds(started.elapsed())));
    Ok(())
}

/// Nobody is made to install it, which takes minutes: the pipeline checks the dependencies as well.
async fn has_cargo_deny() -> bool {
    let mut asked = cargo();
    asked.args(["deny", "--version"]).stdout(Stdio::null()).stderr(Stdio::null());
    asked.status().await.is_ok_and(|status| status.success())
}

fn tests(servers: &Servers, arguments: &[String]) -> Command {
    let mut tests = cargo();
    tests.args(["test", "--no-fail-fast"]);
    if !arguments
        .iter()
        .any(|argument| argument.starts_with("-p") || argument.starts_with("--package"))
    {
        tests.arg("--workspace").env(BUILT, "1");
    }
    tests.args(arguments);
    tests.env(DATABASE_URL, &servers.database_url).env(KAFKA_BROKERS, &servers.brokers);
    // Those are for running the stack; tests get their servers by the two above.
    tests.env_remove("DATABASE_URL").env_remove("KAFKA_BROKERS");
    tests
}

async fn step(
    folders: &Folders,
    title: &'static str,
    command: Command,
    failed: &mut Vec<&'static str>,
) {
    say(&format!("\n== {title}"));
    let begun = Instant::now();
    match to_end(folders, command).await {
        Ok(()) => say(&format!("== {title}: {}", seconds(begun.elapsed()))),
        Err(error) => {
            say(&format!("== {title} failed after {}: {error:#}", seconds(begun.elapsed())));
            failed.push(title);
        }
    }
}

/// Runs a step to its end, as a group of processes that [`end_cargo`] finds.
async fn to_end(folders: &Folders, mut command: Command) -> Result<()> {
    let pid_file = cargo_pid_file(folders);
    let mut child =
        command.process_group(0).kill_on_drop(false).spawn().context("cannot run cargo")?;
    if let Some(pid) = child.id() {
        ServerProcess::register(pid, &pid_file)?;
    }
    let status = child.wait().await?;
    let _ = std::fs::remove_file(pid_file);
    ensure!(status.success(), "{status}");
    Ok(())
}

/// Ends the step that an interrupted run, or one that was killed, left running: cargo and what it
/// started, which would outlive it.
async fn end_cargo(folders: &Folders) {
    if let Some(left) = ServerProcess::find(&cargo_pid_file(folders)) {
        left.kill_group().await;
    }
}

fn cargo_pid_file(folders: &Folders) -> PathBuf {
    folders.local().with_extension("step.pid")
}

fn seconds(duration: Duration) -> String {
    format!("{:.1} s", duration.as_secs_f64())
}
