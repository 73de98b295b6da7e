//! Servers of one test alone, for tests that stop, kill and start them.

#![allow(clippy::expect_used, reason = "only tests call it, and they end by a panic")]

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::leftovers::{is_left, new_id};
use crate::stack::{
    Artifacts, Kafka, Postgres, ServerProcess, checkout, free_port, private_dir, world_dir,
};

/// A Kafka of this test alone; it ends, and its data goes, when it is dropped.
#[derive(Debug)]
pub struct OwnKafka {
    kafka: Kafka,
    dir: PathBuf,
}

impl OwnKafka {
    /// Starts it on a free port.
    ///
    /// # Panics
    ///
    /// When it does not start; the message shows the end of its log.
    pub async fn start() -> Self {
        let base = private_dir(&checkout()).expect("the folder .local");
        let dir = own_dir(&base, "kafka").await;
        let port = free_port().expect("a free port");
        let kafka = Kafka::start(&artifacts().await, &dir, port).await.expect("Kafka starts");
        Self { kafka, dir }
    }

    /// Its bootstrap address, which stays the same when it is started again.
    pub fn brokers(&self) -> String {
        self.kafka.brokers()
    }

    /// Stops it in order.
    pub async fn stop(&self) {
        self.kafka.stop().await;
    }

    /// Kills it.
    pub async fn kill(&self) {
        self.kafka.kill().await;
    }

    /// Starts it again on its data.
    ///
    /// # Panics
    ///
    /// When it does not start.
    pub async fn start_again(&mut self) {
        self.kafka.start_again().await.expect("Kafka starts again");
    }
}

impl Drop for OwnKafka {
    fn drop(&mut self) {
        remove(self.kafka.process(), Signal::SIGKILL, &self.dir);
    }
}

/// A Postgres of this test alone; it ends, and its data goes, when it is dropped.
#[derive(Debug)]
pub struct OwnPostgres {
    postgres: Postgres,
    dir: PathBuf,
}

impl OwnPostgres {
    /// Starts it on a free port.
    ///
    /// # Panics
    ///
    /// When it does not start; the message shows the end of its log.
    pub async fn start() -> Self {
        let base = world_dir(&checkout()).expect("a folder for Postgres");
        let dir = own_dir(&base, "postgres").await;
        let port = free_port().expect("a free port");
        let postgres =
            Postgres::start(&artifacts().await, &dir, port).await.expect("Postgres starts");
        Self { postgres, dir }
    }

    /// URL of the database `postgres` for the superuser, which stays the same when the server is
    /// started again.
    pub fn url(&self) -> String {
        self.postgres.url()
    }

    /// Its folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Stops it in order.
    pub async fn stop(&self) {
        self.postgres.stop().await;
    }

    /// Stops it without writing anything more.
    pub async fn stop_immediate(&self) {
        self.postgres.stop_immediate().await;
    }

    /// Kills it.
    pub async fn kill(&self) {
        self.postgres.kill().await;
    }

    /// Starts it again on its data.
    ///
    /// # Panics
    ///
    /// When it does not start.
    pub async fn start_again(&mut self) {
        self.postgres.start_again().await.expect("Postgres starts again");
    }
}

impl Drop for OwnPostgres {
    fn drop(&mut self) {
        remove(self.postgres.process(), Signal::SIGQUIT, &self.dir);
    }
}

async fn artifacts() -> Artifacts {
    Artifacts::ensure(&checkout(), &|_| ()).await.expect("the servers' programs")
}

/// A new folder, after those of ended test processes were cleaned.
async fn own_dir(base: &Path, kind: &str) -> PathBuf {
    let own = base.join("own");
    std::fs::create_dir_all(&own).expect("a folder for the test's own servers");
    for entry in own.read_dir().expect("the folder is readable").flatten() {
        let name = entry.file_name();
        let Some((_, id)) = name.to_str().and_then(|name| name.split_once('-')) else {
            continue;
        };
        if is_left(id) {
            Kafka::stop_in(&entry.path()).await;
            Postgres::stop_in(&entry.path()).await;
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
    own.join(format!("{kind}-{}", new_id()))
}

/// Ends a process and removes its folder, in a drop that cannot await.
fn remove(process: &ServerProcess, signal: Signal, dir: &Path) {
    process.send(signal);
    let deadline = Instant::now() + Duration::from_secs(5);
    while process.is_alive() && Instant::now() < deadline {
        std::thread::yield_now();
    }
    let _ = std::fs::remove_dir_all(dir);
}
