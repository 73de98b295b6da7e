//! Postgres and Kafka together.

use anyhow::{Context, Result};
use test_support::stack::{Artifacts, Folders, Kafka, Postgres, checkout};

use crate::say;

/// Where a server is to be.
#[derive(Debug)]
pub enum Place {
    /// It runs already: the superuser's URL, or the bootstrap address.
    Existing(String),
    /// It is to be started on this port.
    Port(u16),
    /// Likewise, and its clients come by the port of a proxy, the second.
    Behind(u16, u16),
}

/// Where a running Postgres and Kafka are.
#[derive(Debug, Clone)]
pub struct Servers {
    /// URL of a database for the superuser.
    pub database_url: String,
    /// Bootstrap address of Kafka.
    pub brokers: String,
}

impl Servers {
    /// Starts those that do not run already, in the folders of a stack. What an earlier run left
    /// running there is stopped first; when one fails to start, the other is stopped again.
    pub async fn start(folders: &Folders, postgres: Place, kafka: Place) -> Result<Self> {
        // Fetched before either starts: Maven should not compete with a server's start.
        if [&postgres, &kafka].iter().any(|place| !matches!(place, Place::Existing(_))) {
            Artifacts::ensure(&checkout(), &say).await?;
        }
        let (database_url, brokers) =
            tokio::join!(start_postgres(folders, postgres), start_kafka(folders, kafka));
        let both = database_url.context("Postgres failed to start").and_then(|database_url| {
            Ok(Self { database_url, brokers: brokers.context("Kafka failed to start")? })
        });
        if both.is_err() {
            Self::stop(folders).await;
        }
        both
    }

    /// Stops what runs in the folders of a stack.
    pub async fn stop(folders: &Folders) {
        let (postgres, kafka) = (folders.postgres(), folders.kafka());
        tokio::join!(Postgres::stop_in(&postgres), Kafka::stop_in(&kafka));
    }
}

async fn start_postgres(folders: &Folders, place: Place) -> Result<String> {
    match place {
        Place::Existing(url) => Ok(url),
        Place::Port(port) | Place::Behind(port, _) => {
            say(&format!("starting Postgres on port {port}"));
            let artifacts = Artifacts::ensure(&checkout(), &say).await?;
            Ok(Postgres::start(&artifacts, &folders.postgres(), port).await?.url())
        }
    }
}

async fn start_kafka(folders: &Folders, place: Place) -> Result<String> {
    match place {
        Place::Existing(brokers) => Ok(brokers),
        Place::Port(port) => start_kafka_behind(folders, port, port).await,
        Place::Behind(port, proxy) => start_kafka_behind(folders, port, proxy).await,
    }
}

async fn start_kafka_behind(folders: &Folders, port: u16, proxy: u16) -> Result<String> {
    say(&format!("starting Kafka on port {port}"));
    let artifacts = Artifacts::ensure(&checkout(), &say).await?;
    Ok(Kafka::start_behind(&artifacts, &folders.kafka(), port, proxy).await?.brokers())
}
