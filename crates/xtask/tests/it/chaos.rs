//! Half a minute of what `make chaos` does for as long as one likes.

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use test_support::stack::checkout;
use xtask::chaos::{self, Options};

use crate::alone;

/// Apart from the stack that developers run by hand.
const NAME: &str = "chaos-test";

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_or_done_twice_whatever_breaks() -> Result<()> {
    let _alone = alone().await;
    let options =
        Options { duration: 25, seed: Some(9), rate: 20, replicas: 2, brokers: 1, debug: true };
    chaos::command(NAME, options).await?;

    let report = checkout().join("target").join(NAME).join("report.json");
    let report: Value = serde_json::from_slice(&std::fs::read(report)?)?;
    for figure in ["accepted", "completed", "kills", "plantedDeadLetters"] {
        let count = report[figure].as_u64().with_context(|| format!("no {figure}"))?;
        ensure!(count > 0, "{figure} is 0, so that the run shows nothing");
    }
    Ok(())
}
