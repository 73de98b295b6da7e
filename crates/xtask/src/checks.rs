//! All checks, one after the other: formatting, lints, documents, tests.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use test_support::stack::{Folders, ServerProcess, checkout};
use test_support::{DATABASE_URL, KAFKA_BROKERS};
use tokio::process::Command;

use crate::binaries::cargo;
use crate::say;
use crate::servers::Servers;
use crate::signals::interrupted;
use crate::stack::{lock, supervisor_pid_file};
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
    ServerProcess::register(&supervisor_pid_file(&folders))?;
    let outcome = tokio::select! {
        outcome = steps(&folders, arguments) => outcome,
        asked = interrupted() => asked.and_then(|()| bail!("interrupted")),
    };
    end(&folders).await?;
    let _ = std::fs::remove_file(supervisor_pid_file(&folders));
    outcome
}

async fn steps(folders: &Folders, arguments: &[String]) -> Result<()> {
    let started = Instant::now();
    let mut failed = Vec::new();

    let mut format = cargo();
    format.args(["fmt", "--all", "--check"]);
    step("formatting", format, &mut failed).await;

    let mut lints = cargo();
    lints.args(["clippy", "--workspace", "--all-targets", "--", "--deny", "warnings"]);
    step("lints", lints, &mut failed).await;

    let mut documents = cargo();
    documents.args(["doc", "--workspace", "--no-deps"]).env("RUSTDOCFLAGS", "--deny warnings");
    step("documents", documents, &mut failed).await;

    let title = "test stack";
    say(&format!("\n== {title}"));
    let begun = Instant::now();
    match start_empty(folders).await {
        Ok(servers) => {
            say(&format!("== {title}: {}", seconds(begun.elapsed())));
            step("tests", tests(&servers, arguments), &mut failed).await;
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

fn tests(servers: &Servers, arguments: &[String]) -> Command {
    let mut tests = cargo();
    tests.args(["test", "--no-fail-fast"]);
    if !arguments
        .iter()
        .any(|argument| argument.starts_with("-p") || argument.starts_with("--package"))
    {
        tests.arg("--workspace");
    }
    tests.args(arguments);
    tests.env(DATABASE_URL, &servers.database_url).env(KAFKA_BROKERS, &servers.brokers);
    // Those are for running the stack; tests get their servers by the two above.
    tests.env_remove("DATABASE_URL").env_remove("KAFKA_BROKERS");
    tests
}

async fn step(title: &'static str, command: Command, failed: &mut Vec<&'static str>) {
    say(&format!("\n== {title}"));
    let begun = Instant::now();
    match in_group(command).await {
        Ok(()) => say(&format!("== {title}: {}", seconds(begun.elapsed()))),
        Err(error) => {
            say(&format!("== {title} failed after {}: {error:#}", seconds(begun.elapsed())));
            failed.push(title);
        }
    }
}

/// Runs a command with its descendants as one group, which ends as a whole when this future is
/// dropped: cargo alone would leave a test behind.
async fn in_group(mut command: Command) -> Result<()> {
    struct Group(Option<Pid>);
    impl Drop for Group {
        fn drop(&mut self) {
            if let Some(group) = self.0 {
                let _ = killpg(group, Signal::SIGKILL);
            }
        }
    }
    let mut child = command.process_group(0).spawn().context("cannot run cargo")?;
    let mut group = Group(child.id().and_then(|id| i32::try_from(id).ok()).map(Pid::from_raw));
    let status = child.wait().await?;
    group.0 = None;
    ensure!(status.success(), "{status}");
    Ok(())
}

fn seconds(duration: Duration) -> String {
    format!("{:.1} s", duration.as_secs_f64())
}
