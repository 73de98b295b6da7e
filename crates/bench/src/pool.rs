//! Connections to the replicas of one service, opened as they are needed up to so many.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use bytes::Bytes;
use http_body_util::Full;
use hyper::Request;
use tokio::sync::Semaphore;

use crate::connection::{Answer, Connection};

/// How long a connection may have been idle to be used again. The services end theirs after ten seconds without a word,
/// and a request that is on its way then is lost.
const FRESH: Duration = Duration::from_secs(5);

/// Whoever finds no free connection waits for one, those first who came first.
#[derive(Debug)]
pub struct Pool {
    replicas: Vec<SocketAddr>,
    turns: Semaphore,
    /// Each with the moment since when.
    idle: Mutex<Vec<(Connection, Instant)>>,
    opened: AtomicUsize,
    open: AtomicUsize,
    most: AtomicUsize,
}

impl Pool {
    /// None is open yet.
    pub fn new(replicas: Vec<SocketAddr>, connections: usize) -> Self {
        Self {
            replicas,
            turns: Semaphore::new(connections),
            idle: Mutex::default(),
            opened: AtomicUsize::new(0),
            open: AtomicUsize::new(0),
            most: AtomicUsize::new(0),
        }
    }

    /// Sends a request over a connection of its own for as long as it takes.
    pub async fn ask(&self, request: Request<Full<Bytes>>) -> Result<Answer> {
        let _turn = self.turns.acquire().await?;
        let mut connection = match self.take() {
            Some(connection) => connection,
            None => self.connect().await?,
        };
        let answer = connection.ask(request).await;
        if answer.is_ok() && connection.is_open() {
            self.idle
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push((connection, Instant::now()));
        } else {
            self.open.fetch_sub(1, Ordering::Relaxed);
        }
        answer
    }

    /// How many connections were open at once.
    pub fn most(&self) -> usize {
        self.most.load(Ordering::Relaxed)
    }

    /// One that is open and not in use, and was until lately.
    fn take(&self) -> Option<Connection> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some((connection, since)) = idle.pop() {
            if connection.is_open() && since.elapsed() < FRESH {
                return Some(connection);
            }
            self.open.fetch_sub(1, Ordering::Relaxed);
        }
        None
    }

    async fn connect(&self) -> Result<Connection> {
        let turn = self.opened.fetch_add(1, Ordering::Relaxed) % self.replicas.len().max(1);
        let address = self.replicas.get(turn).context("no address to connect to")?;
        let connection = Connection::open(*address).await?;
        let open = self.open.fetch_add(1, Ordering::Relaxed) + 1;
        self.most.fetch_max(open, Ordering::Relaxed);
        Ok(connection)
    }
}
