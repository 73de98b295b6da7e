//! What runs, where, and whether it is well.

use std::time::Duration;

use anyhow::Result;
use futures_util::future::join_all;
use sqlx::{Connection, PgConnection};
use test_support::kafka::answers;
use test_support::stack::{Folders, checkout};
use tokio::time::timeout;

use crate::parts::{self, Description};
use crate::ports::{KAFKA, POSTGRES};
use crate::say;
use crate::stack::NAME;

const ANSWER: Duration = Duration::from_secs(3);

/// Prints each part's process, port and health.
pub async fn show() -> Result<()> {
    let folders = Folders::new(&checkout(), NAME)?;
    let Some(description) = Description::read(&folders)? else {
        say("the stack is not up; `make up` starts it");
        return Ok(());
    };
    say(&format!("{:<13} {:>8} {:>6}  health", "part", "pid", "port"));
    for row in join_all(parts::names().map(|part| row(&folders, &description, part))).await {
        say(&row);
    }
    Ok(())
}

async fn row(folders: &Folders, description: &Description, name: &'static str) -> String {
    let health = timeout(ANSWER, health(description, name))
        .await
        .unwrap_or_else(|_| Err(anyhow::anyhow!("no answer")));
    let health = health.map_or_else(|error| error.to_string(), |()| "ok".to_owned());
    match (description.ports.get(name), parts::process(folders, name)) {
        (Some(port), Some(process)) => {
            format!("{name:<13} {:>8} {port:>6}  {health}", process.pid())
        }
        (Some(port), None) => format!("{name:<13} {:>8} {port:>6}  not running", "-"),
        (None, _) => format!("{name:<13} {:>8} {:>6}  {health}", "existing", "-"),
    }
}

async fn health(description: &Description, name: &str) -> Result<()> {
    match name {
        POSTGRES => {
            let _ = PgConnection::connect(&description.database_url).await?;
        }
        KAFKA => answers(&description.kafka_brokers).await?,
        service => {
            let port = description.ports.get(service).copied().unwrap_or_default();
            let response = reqwest::get(format!("http://127.0.0.1:{port}/readyz")).await?;
            anyhow::ensure!(response.status().is_success(), "not ready ({})", response.status());
        }
    }
    Ok(())
}
