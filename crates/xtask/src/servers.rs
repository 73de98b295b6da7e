//! Postgres and Kafka together.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use futures_util::future::{join_all, try_join_all};
use test_support::kafka::in_step;
use test_support::stack::{Artifacts, Cluster, Folders, Kafka, Postgres, checkout};
use tokio::time::{Instant, sleep};

use crate::say;

/// Where a server is to be.
#[derive(Debug)]
pub enum Place<P> {
    /// It runs already: the superuser's URL, or the bootstrap address.
    Existing(String),
    /// It is to be started, there.
    Own(P),
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
    pub async fn start(
        folders: &Folders,
        postgres: Place<u16>,
        kafka: Place<Cluster>,
    ) -> Result<Self> {
        // Fetched before either starts: Maven should not compete with a server's start.
        if !matches!((&postgres, &kafka), (Place::Existing(_), Place::Existing(_))) {
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
        let postgres = folders.postgres();
        let nodes = (1..=Cluster::MOST).map(async |number| {
            Kafka::stop_in(&folders.kafka(number)).await;
        });
        tokio::join!(Postgres::stop_in(&postgres), join_all(nodes));
    }
}

async fn start_postgres(folders: &Folders, place: Place<u16>) -> Result<String> {
    match place {
        Place::Existing(url) => Ok(url),
        Place::Own(port) => {
            say(&format!("starting Postgres on port {port}"));
            let artifacts = Artifacts::ensure(&checkout(), &say).await?;
            Ok(Postgres::start(&artifacts, &folders.postgres(), port).await?.url())
        }
    }
}

async fn start_kafka(folders: &Folders, place: Place<Cluster>) -> Result<String> {
    match place {
        Place::Existing(brokers) => Ok(brokers),
        Place::Own(cluster) => {
            say(&format!("starting Kafka at {}", cluster.brokers()));
            let artifacts = Artifacts::ensure(&checkout(), &say).await?;
            try_join_all(cluster.numbers().map(async |number| {
                Kafka::start_node(&artifacts, &folders.kafka(number), &cluster, number).await
            }))
            .await?;
            whole(&cluster).await?;
            Ok(cluster.brokers())
        }
    }
}

/// Waits until all nodes of a cluster are there, and have what the others have.
pub(crate) async fn whole(cluster: &Cluster) -> Result<()> {
    const PATIENCE: Duration = Duration::from_mins(3);
    let (brokers, deadline) = (cluster.brokers(), Instant::now() + PATIENCE);
    while let Err(error) = in_step(&brokers, cluster.numbers().count()).await {
        if Instant::now() > deadline {
            bail!("Kafka's nodes do not come together: {error:#}");
        }
        sleep(Duration::from_millis(200)).await;
    }
    Ok(())
}
