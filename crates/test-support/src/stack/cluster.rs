//! The nodes of a Kafka cluster on this machine.

use anyhow::{Context, Result};

use super::{Guard, free_port};

/// Where the nodes of a cluster listen, on the loopback interface; the first has the number 1.
///
/// Every topic has a replica on each node, and a write counts once most of them have it: of three nodes,
/// any one may be away.
#[derive(Debug, Clone)]
pub struct Cluster(Vec<Node>, Option<Guard>);

#[derive(Debug, Clone, Copy)]
struct Node {
    port: u16,
    /// By which it tells its clients to come: its own, or that of a proxy.
    advertised: u16,
    /// For the other nodes, which come directly.
    brokers: u16,
    controllers: u16,
}

impl Cluster {
    /// The most nodes that one may have here.
    pub const MOST: usize = 3;

    /// A node for each of these ports.
    pub fn direct(ports: &[u16]) -> Result<Self> {
        Self::behind(&ports.iter().map(|port| (*port, *port)).collect::<Vec<_>>())
    }

    /// A node for each of these pairs: its port, and that of the proxy its clients are to come by.
    pub fn behind(ports: &[(u16, u16)]) -> Result<Self> {
        let nodes = ports.iter().map(|&(port, advertised)| {
            Ok(Node { port, advertised, brokers: free_port()?, controllers: free_port()? })
        });
        Ok(Self(nodes.collect::<Result<_>>()?, None))
    }

    /// The same, whose clients come by TLS and prove who they are.
    #[must_use]
    pub fn guarded(self, guard: Guard) -> Self {
        Self(self.0, Some(guard))
    }

    pub(super) fn guard(&self) -> Option<&Guard> {
        self.1.as_ref()
    }

    /// The numbers of its nodes.
    pub fn numbers(&self) -> std::ops::RangeInclusive<usize> {
        1..=self.0.len()
    }

    /// The bootstrap addresses, past the proxies.
    pub fn brokers(&self) -> String {
        addresses(self.0.iter().map(|node| node.port))
    }

    /// The bootstrap addresses by way of the proxies.
    pub fn advertised(&self) -> String {
        addresses(self.0.iter().map(|node| node.advertised))
    }

    pub(super) fn port(&self, number: usize) -> Result<u16> {
        self.node(number).map(|node| node.port)
    }

    /// The most memory for the heap of each node.
    pub(super) fn heap_mib(&self) -> u32 {
        if self.0.len() == 1 { 512 } else { 384 }
    }

    /// What the settings of one node say of the cluster.
    pub(super) fn settings(&self, number: usize) -> Result<String> {
        let Node { port, advertised, brokers, controllers } = *self.node(number)?;
        let voters = self.numbers().zip(&self.0);
        let voters =
            voters.map(|(number, node)| format!("{number}@127.0.0.1:{}", node.controllers));
        let voters = voters.collect::<Vec<_>>().join(",");
        let replicas = self.0.len();
        let most = replicas / 2 + 1;
        let mut settings = format!(
            "node.id={number}\n\
             controller.quorum.voters={voters}\n\
             listeners=CLIENTS://127.0.0.1:{port},BROKERS://127.0.0.1:{brokers},\
             CONTROLLER://127.0.0.1:{controllers}\n\
             advertised.listeners=CLIENTS://127.0.0.1:{advertised},BROKERS://127.0.0.1:{brokers}\n\
             default.replication.factor={replicas}\n\
             min.insync.replicas={most}\n\
             offsets.topic.replication.factor={replicas}\n\
             transaction.state.log.replication.factor={replicas}\n\
             transaction.state.log.min.isr={most}\n\
             share.coordinator.state.topic.replication.factor={replicas}\n\
             share.coordinator.state.topic.min.isr={most}\n"
        );
        if let Some(guard) = self.guard() {
            settings.push_str(&guard.kafka_settings());
        }
        Ok(settings)
    }

    fn node(&self, number: usize) -> Result<&Node> {
        let node = number.checked_sub(1).and_then(|index| self.0.get(index));
        node.with_context(|| format!("the cluster has no node {number}"))
    }
}

fn addresses(ports: impl Iterator<Item = u16>) -> String {
    ports.map(|port| format!("127.0.0.1:{port}")).collect::<Vec<_>>().join(",")
}
