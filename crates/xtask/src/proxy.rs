//! A way to a server that can be slowed and cut.

use std::net::Ipv4Addr;
use std::time::Duration;

use anyhow::Result;
use futures_util::future::try_join_all;
use test_support::stack::Cluster;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// What the services of a stack reach their servers through.
#[derive(Debug)]
pub struct Proxies {
    pub(crate) postgres: Proxy,
    /// One for each node of the cluster.
    pub(crate) kafka: Vec<Proxy>,
    pub(crate) cluster: Cluster,
}

impl Proxies {
    /// Ways to a Postgres on this port, and to a node of Kafka on each of these.
    pub(crate) async fn start(postgres: u16, kafka: &[u16]) -> Result<Self> {
        let proxies = try_join_all(kafka.iter().map(|port| Proxy::start(*port))).await?;
        let ports: Vec<_> = proxies.iter().map(|proxy| (proxy.target, proxy.port)).collect();
        let cluster = Cluster::behind(&ports)?;
        Ok(Self { postgres: Proxy::start(postgres).await?, kafka: proxies, cluster })
    }
}

/// How long a server probes a client that has fallen silent, as its connections ask it to.
const PROBED_FOR: Duration = Duration::from_secs(20);

/// A way to one server, on a port of its own; it ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Proxy {
    port: u16,
    target: u16,
    /// How long every piece of data is held up on its way.
    delay: watch::Sender<Duration>,
    /// Changes when all connections are to be cut.
    cuts: watch::Sender<u32>,
    /// Changes when all connections are to fall silent.
    silences: watch::Sender<u32>,
    _accepting: JoinSet<()>,
}

impl Proxy {
    async fn start(target: u16) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let port = listener.local_addr()?.port();
        let (delay, delayed) = watch::channel(Duration::ZERO);
        let (cuts, cut) = watch::channel(0);
        let (silences, silence) = watch::channel(0);
        let mut accepting = JoinSet::new();
        accepting.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                connections.spawn(pass(
                    client,
                    target,
                    delayed.clone(),
                    cut.clone(),
                    silence.clone(),
                ));
                while connections.try_join_next().is_some() {}
            }
        });
        Ok(Self { port, target, delay, cuts, silences, _accepting: accepting })
    }

    /// The same address by this way.
    pub(crate) fn in_place_of(&self, address: &str) -> String {
        address.replacen(&format!(":{}", self.target), &format!(":{}", self.port), 1)
    }

    /// Breaks all connections; new ones are let through.
    pub(crate) fn cut(&self) {
        self.cuts.send_modify(|cuts| *cuts += 1);
    }

    /// Passes nothing on any more on the connections there are, which stay open, as when a host vanishes.
    /// New ones are let through.
    pub(crate) fn silence(&self) {
        self.silences.send_modify(|silences| *silences += 1);
    }

    /// Holds up whatever is sent from now on.
    pub(crate) fn slow(&self, delay: Duration) {
        self.delay.send_replace(delay);
    }
}

/// Passes everything on between a client and the server until either ends or the connection is cut.
async fn pass(
    client: TcpStream,
    target: u16,
    delay: watch::Receiver<Duration>,
    mut cut: watch::Receiver<u32>,
    mut silence: watch::Receiver<u32>,
) {
    cut.mark_unchanged();
    silence.mark_unchanged();
    let Ok(server) = TcpStream::connect((Ipv4Addr::LOCALHOST, target)).await else { return };
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let silent = tokio::select! {
        () = pump(&mut from_client, &mut to_server, delay.clone()) => false,
        () = pump(&mut from_server, &mut to_client, delay) => false,
        _ = cut.changed() => false,
        _ = silence.changed() => true,
    };
    if silent {
        // The client is left waiting until a cut. The server gives up a client that does not answer its
        // probes, which here the proxy's own system would go on to do.
        tokio::time::sleep(PROBED_FOR).await;
        drop((from_server, to_server));
        let _ = cut.changed().await;
    }
}

async fn pump(from: &mut OwnedReadHalf, to: &mut OwnedWriteHalf, delay: watch::Receiver<Duration>) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(read @ 1..) = from.read(&mut buffer).await {
        let delay = *delay.borrow();
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
        if to.write_all(&buffer[..read]).await.is_err() {
            return;
        }
    }
}
