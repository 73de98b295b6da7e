//! Runs `boutique-load`.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context, Result, bail, ensure};
use bench::outcome::Said;
use bench::{Outcome, Plan, Progress};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::Command;

use crate::binaries::{self, GENERATOR, Profile};
use crate::say;

/// A line for people after so many seconds.
const TELL_EACH: usize = 5;

/// Builds it, with the services that it is to load, and returns where it is.
pub async fn build() -> Result<PathBuf> {
    Ok(binaries::build(Profile::Release).await?.join(GENERATOR.0))
}

/// Carries out a plan; tells now and then how it goes.
pub async fn run(program: &Path, plan: &Plan) -> Result<Outcome> {
    let mut child = Command::new(program)
        .arg("run")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .with_context(|| format!("cannot run {}", program.display()))?;
    let mut stdin = child.stdin.take().context("the generator takes no plan")?;
    stdin.write_all(&serde_json::to_vec(plan)?).await?;
    drop(stdin);
    let stdout = child.stdout.take().context("the generator says nothing")?;
    let mut lines = BufReader::new(stdout).lines();
    let (mut last, mut ticks) = (None, 0);
    while let Some(line) = lines.next_line().await? {
        match serde_json::from_str(&line).with_context(|| format!("the generator said {line:?}"))? {
            Said::Progress(progress) => {
                ticks += 1;
                if ticks % TELL_EACH == 0 {
                    tell(&progress, last.replace(progress));
                }
            }
            Said::Begun | Said::Done | Said::Floor(_) => {}
            Said::Outcome(outcome) => {
                let status = child.wait().await?;
                ensure!(status.success(), "the generator ended with {status}");
                return Ok(*outcome);
            }
        }
    }
    let status = child.wait().await?;
    bail!("the generator ended without an outcome ({status})")
}

#[allow(clippy::cast_precision_loss, reason = "a rate for people")]
fn tell(now: &Progress, last: Option<Progress>) {
    let (ended, seconds) = last.map_or((0, 0.0), |last| (last.ended, last.seconds));
    let rate = (now.ended - ended) as f64 / (now.seconds - seconds).max(0.001);
    let streams = match now.streams {
        0 => String::new(),
        streams => format!(", {streams} streams"),
    };
    say(&format!(
        "  {:>4.0} s  {:>8} accepted, {rate:>6.0} ends/s, {:>7} open{streams}",
        now.seconds, now.accepted, now.open
    ));
}
