//! Servers of one test alone, for tests that stop, kill and start them.

#![allow(clippy::expect_used, reason = "only tests call it, and they end by a panic")]

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::Result;
use futures_util::future::{join_all, try_join_all};
use nix::sys::signal::Signal;

use crate::leftovers::{is_left, new_id};
use crate::registry::OwnRegistry;
use crate::stack::{
    Artifacts, Cluster, Folders, Guard, Kafka, Postgres, ServerProcess, checkout, free_port,
};

/// What the names of their folders begin with.
const OWN: &str = "own-";

/// A Kafka of this test alone; it ends, and its data goes, when it is dropped.
#[derive(Debug)]
pub struct OwnKafka {
    nodes: Vec<Kafka>,
    folders: Folders,
}

impl OwnKafka {
    /// Starts one node on a free port.
    ///
    /// # Panics
    ///
    /// When it does not start; the message shows the end of its log.
    pub async fn start() -> Self {
        Self::start_nodes(1).await
    }

    /// Starts a cluster of so many nodes on free ports.
    ///
    /// # Panics
    ///
    /// When one does not start; the message shows the end of its log.
    pub async fn start_nodes(count: usize) -> Self {
        Self::start_cluster(count, |ports, _| Cluster::direct(ports)).await
    }

    /// Starts one node that tells its clients to come by another port.
    ///
    /// # Panics
    ///
    /// When it does not start.
    pub async fn start_behind(port: u16) -> Self {
        let behind = |ports: &[u16], _: &Folders| Cluster::behind(&[(ports[0], port)]);
        Self::start_cluster(1, behind).await
    }

    /// Starts a node that lets in by TLS alone, and nobody but the one account of its guard.
    ///
    /// # Panics
    ///
    /// When it does not start.
    pub async fn start_guarded(username: &str, password: &str) -> (Self, Guard) {
        let mut made = None;
        let guarded = |ports: &[u16], folders: &Folders| {
            let guard = Guard::new(folders.local(), username, password)?;
            made = Some(guard.clone());
            Ok(Cluster::direct(ports)?.guarded(guard))
        };
        let kafka = Self::start_cluster(1, guarded).await;
        (kafka, made.expect("a guard"))
    }

    async fn start_cluster(
        count: usize,
        of: impl FnOnce(&[u16], &Folders) -> Result<Cluster>,
    ) -> Self {
        let (artifacts, folders) = (artifacts().await, own_folders().await);
        let ports: Vec<_> = (0..count).map(|_| free_port().expect("a free port")).collect();
        let cluster = of(&ports, &folders).expect("a cluster on free ports");
        let nodes = cluster.numbers().map(async |number| {
            Kafka::start_node(&artifacts, &folders.kafka(number), &cluster, number).await
        });
        let nodes = try_join_all(nodes).await.expect("Kafka starts");
        Self { nodes, folders }
    }

    /// Its bootstrap addresses, which stay the same when it is started again.
    pub fn brokers(&self) -> String {
        self.nodes[0].brokers()
    }

    /// Stops it in order.
    pub async fn stop(&self) {
        join_all(self.nodes.iter().map(Kafka::stop)).await;
    }

    /// Kills it.
    pub async fn kill(&self) {
        join_all(self.nodes.iter().map(Kafka::kill)).await;
    }

    /// Kills one node, by its number.
    pub async fn kill_node(&self, number: usize) {
        self.nodes[number - 1].kill().await;
    }

    /// Starts it again on its data, or those nodes of it that do not run.
    ///
    /// # Panics
    ///
    /// When one does not start.
    pub async fn start_again(&mut self) {
        let gone = self.nodes.iter_mut().filter(|node| !node.process().is_alive());
        try_join_all(gone.map(Kafka::start_again)).await.expect("Kafka starts again");
    }
}

impl Drop for OwnKafka {
    fn drop(&mut self) {
        let processes: Vec<_> = self.nodes.iter().map(Kafka::process).collect();
        remove(&processes, Signal::SIGKILL, &self.folders);
    }
}

/// A Postgres of this test alone; it ends, and its data goes, when it is dropped.
#[derive(Debug)]
pub struct OwnPostgres {
    postgres: Postgres,
    folders: Folders,
}

impl OwnPostgres {
    /// Starts it on a free port.
    ///
    /// # Panics
    ///
    /// When it does not start; the message shows the end of its log.
    pub async fn start() -> Self {
        Self::start_in(own_folders().await, None).await
    }

    /// Starts one that speaks TLS, and tells by what it is to be trusted.
    ///
    /// # Panics
    ///
    /// When it does not start.
    pub async fn start_guarded() -> (Self, Guard) {
        let folders = own_folders().await;
        let guard = Guard::new(folders.local(), "nobody", "nothing").expect("certificates");
        (Self::start_in(folders, Some(&guard)).await, guard)
    }

    async fn start_in(folders: Folders, guard: Option<&Guard>) -> Self {
        let port = free_port().expect("a free port");
        let (artifacts, dir) = (artifacts().await, folders.postgres());
        let starting = Postgres::start_guarded(&artifacts, &dir, port, guard);
        Self { postgres: starting.await.expect("Postgres starts"), folders }
    }

    /// URL of the database `postgres` for the superuser, which stays the same when the server is
    /// started again.
    pub fn url(&self) -> String {
        self.postgres.url()
    }

    /// Its folder.
    pub fn dir(&self) -> PathBuf {
        self.folders.postgres()
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
        remove(&[self.postgres.process()], Signal::SIGQUIT, &self.folders);
    }
}

pub(crate) async fn artifacts() -> Artifacts {
    Artifacts::ensure(&checkout(), &|_| ()).await.expect("the servers' programs")
}

/// New folders, after those of ended test processes were cleaned.
pub(crate) async fn own_folders() -> Folders {
    remove_left_servers().await.expect("the folders of the test's own servers");
    Folders::new(&checkout(), &format!("{OWN}{}", new_id())).expect("folders")
}

/// Stops the servers that test processes which are gone had of their own, and removes their data.
pub async fn remove_left_servers() -> Result<()> {
    for name in Folders::names(&checkout())? {
        if name.strip_prefix(OWN).is_some_and(is_left) {
            let folders = Folders::new(&checkout(), &name)?;
            for number in 1..=Cluster::MOST {
                Kafka::stop_in(&folders.kafka(number)).await;
            }
            Postgres::stop_in(&folders.postgres()).await;
            OwnRegistry::stop_in(&folders).await;
            // Another test process may be removing it too.
            let _ = folders.remove();
        }
    }
    Ok(())
}

/// Ends processes and removes their folder, in a drop that cannot await.
pub(crate) fn remove(processes: &[&ServerProcess], signal: Signal, folders: &Folders) {
    for process in processes {
        process.send(signal);
    }
    let deadline = Instant::now() + Duration::from_secs(5);
    while processes.iter().any(|process| process.is_alive()) && Instant::now() < deadline {
        std::thread::yield_now();
    }
    let _ = folders.remove();
}
