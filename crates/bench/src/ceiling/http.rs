//! The bare request for an order, at a server that does nothing with it.

use std::process::Stdio;
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;

use crate::ceiling::measured;
use crate::drive::Crowd;
use crate::ledger::Ledger;
use crate::outcome::Floor;
use crate::plan::Plan;
use crate::system;

/// Sends what the plan says, though to a server of its own. That server asks the database for the keys of tokens.
pub async fn run(mut plan: Plan, database_url: &str) -> Result<Floor> {
    let mut server = Command::new(std::env::current_exe()?)
        .args(["ceiling", "serve"])
        .env("DATABASE_URL", database_url)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .context("cannot run the server")?;
    let stdout = server.stdout.take().context("the server says nothing")?;
    let address = BufReader::new(stdout).lines().next_line().await?;
    plan.orders = vec![address.context("the server does not start")?.parse()?];
    let ledger = Arc::new(Ledger::new()?);
    let crowd = Crowd::new(&plan, Arc::clone(&ledger))?;
    let floor = measured(async {
        crowd.run(plan.arrivals).await?;
        // None ever ends, so all that were accepted are open.
        Ok(ledger.open())
    })
    .await?;
    drop(server.stdin.take());
    let status = server.wait().await?;
    ensure!(status.success(), "the server ended with {status}");
    let outcome = ledger.sum_up();
    ensure!(
        outcome.accepted > 0 && outcome.accepted == outcome.sent,
        "{} of {} requests were accepted: {:?}, {:?}",
        outcome.accepted,
        outcome.sent,
        outcome.refused,
        outcome.first_error
    );
    let child_cpu_micros = u64::try_from(system::cpu_of_children()?.as_micros())?;
    Ok(Floor { child_cpu_micros, ..floor })
}
