//! Postgres and Kafka together.

use anyhow::{Context, Result};
use test_support::stack::{Artifacts, Folders, Kafka, Postgres, Progress, ServerProcess, checkout};

/// Where a running Postgres and Kafka are.
#[derive(Debug, Clone)]
pub struct Servers {
    /// URL of a database for the superuser.
    pub database_url: String,
    /// Bootstrap address of Kafka.
    pub brokers: String,
}

impl Servers {
    /// Starts both in the folders of a stack. What an earlier run left running there is stopped
    /// first; when one fails to start, the other is stopped again.
    pub async fn start(
        folders: &Folders,
        postgres_port: u16,
        kafka_port: u16,
        progress: Progress<'_>,
    ) -> Result<Self> {
        let artifacts = Artifacts::ensure(&checkout(), progress).await?;
        progress(&format!(
            "starting Postgres on port {postgres_port} and Kafka on port {kafka_port}"
        ));
        let (postgres_dir, kafka_dir) = (folders.postgres(), folders.kafka());
        let (postgres, kafka) = tokio::join!(
            Postgres::start(&artifacts, &postgres_dir, postgres_port),
            Kafka::start(&artifacts, &kafka_dir, kafka_port),
        );
        let both = async {
            let postgres = postgres.context("Postgres failed to start")?;
            let kafka = kafka.context("Kafka failed to start")?;
            Ok(Self { database_url: postgres.url(), brokers: kafka.brokers() })
        }
        .await;
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

    /// The processes of both, if they run.
    pub fn processes(folders: &Folders) -> Option<[ServerProcess; 2]> {
        let postgres = Postgres::process_in(&folders.postgres())?;
        let kafka = Kafka::process_in(&folders.kafka())?;
        Some([postgres, kafka])
    }
}
