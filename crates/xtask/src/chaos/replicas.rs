//! Replicas of the services, each on a port that it keeps.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result};
use futures_util::future::try_join_all;
use nix::sys::signal::Signal;
use test_support::stack::{SERVICES, ServerProcess, free_port};

use super::faults::Target;
use crate::parts;
use crate::services::replica;
use crate::stack::Stack;

/// How long a replica that was told to stop may take.
const STOP: Duration = Duration::from_secs(10);

/// All replicas of a stack, running or not.
pub struct Replicas<'s> {
    stack: &'s Stack,
    ports: BTreeMap<Target, u16>,
}

impl<'s> Replicas<'s> {
    /// Starts the second and further replicas of each service.
    pub async fn start(stack: &'s Stack, count: usize) -> Result<Self> {
        let mut ports = BTreeMap::new();
        for service in SERVICES {
            let first = stack.description.ports.get(service).copied();
            ports.insert(Target { service, number: 1 }, first.context("a service without a port")?);
            for number in 2..=count {
                ports.insert(Target { service, number }, free_port()?);
            }
        }
        let replicas = Self { stack, ports };
        let further = replicas.ports.keys().filter(|target| target.number > 1);
        try_join_all(further.map(|target| replicas.start_again(*target))).await?;
        Ok(replicas)
    }

    /// Where each service's replicas listen.
    pub fn urls(&self) -> BTreeMap<String, Vec<String>> {
        let mut urls: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (target, port) in &self.ports {
            let url = format!("http://127.0.0.1:{port}");
            urls.entry(target.service.to_owned()).or_default().push(url);
        }
        urls
    }

    /// Every replica.
    pub fn all(&self) -> impl Iterator<Item = Target> {
        self.ports.keys().copied()
    }

    /// How many there are of each service.
    pub fn count(&self) -> usize {
        self.ports.len() / SERVICES.len()
    }

    /// Its process, if it runs.
    pub fn process(&self, target: Target) -> Option<ServerProcess> {
        parts::process(&self.stack.folders, &replica(target.service, target.number))
    }

    /// Starts one that does not run; returns when it is ready.
    pub async fn start_again(&self, target: Target) -> Result<()> {
        let port = self.ports.get(&target).copied().context("an unknown replica")?;
        self.stack.services.start(target.service, target.number, port).await
    }

    /// Tells one to stop; whether it did so in time.
    pub async fn terminate(&self, target: Target) -> bool {
        let Some(process) = self.process(target) else { return true };
        process.send(Signal::SIGTERM);
        let gone = async {
            while process.is_alive() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        let in_time = tokio::time::timeout(STOP, gone).await.is_ok();
        process.end(Signal::SIGKILL, STOP).await;
        in_time
    }
}
