//! A Postgres and a Kafka that stay up for repeated test runs.

use anyhow::Result;
use test_support::remove_left_servers;
use test_support::stack::{Cluster, Folders, checkout, free_port, write_secret};

use crate::ports::{KAFKA, POSTGRES};
use crate::servers::{Place, Servers};
use crate::{parts, say};

const NAME: &str = "test";

/// Starts it with empty data and describes it in `stack.json`, where tests find it; leaves it
/// alone when it is up.
pub async fn up() -> Result<()> {
    let folders = Folders::new(&checkout(), NAME)?;
    let description = folders.local().join("stack.json");
    let runs = |part| parts::process(&folders, part).is_some();
    if description.exists() && runs(POSTGRES) && runs(KAFKA) {
        say("the test stack is up already");
        return Ok(());
    }
    let servers = start_empty(&folders).await?;
    let text = serde_json::json!({
        "databaseUrl": servers.database_url,
        "kafkaBrokers": servers.brokers,
    });
    write_secret(&description, &format!("{text:#}\n"))?;
    say("the test stack is up: `cargo test` finds it; `cargo xtask test-stack down` ends it");
    Ok(())
}

/// Stops it and removes its data.
pub async fn down() -> Result<()> {
    let folders = Folders::new(&checkout(), NAME)?;
    end(&folders).await?;
    say("the test stack is down");
    Ok(())
}

/// Starts servers on free ports with nothing of an earlier run in them.
pub async fn start_empty(folders: &Folders) -> Result<Servers> {
    Servers::stop(folders).await;
    remove_left_servers().await?;
    folders.clear()?;
    let (postgres, kafka) = (free_port()?, Cluster::direct(&[free_port()?])?);
    Servers::start(folders, Place::Own(postgres), Place::Own(kafka)).await
}

/// Stops the servers, and those that tests had of their own and did not stop; removes all data.
pub async fn end(folders: &Folders) -> Result<()> {
    Servers::stop(folders).await;
    remove_left_servers().await?;
    folders.remove()
}
