//! Customers' streams of changes, many at once.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::str::FromStr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use chrono::{DateTime, Utc};
use contracts::ids::OrderId;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::{Request, StatusCode};
use serde::Deserialize;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::connection;
use crate::ledger::Ledger;
use crate::moments::{Clock, due};
use crate::orders::changes;
use crate::outcome::StreamsOutcome;
use crate::plan::Plan;
use crate::stats::Latencies;

/// A stream needs no more: each event is a few hundred bytes.
const BUFFER: usize = 8 * 1024;

/// All streams; they end with this.
#[derive(Debug)]
pub struct Feeds {
    shared: Arc<Shared>,
    readers: JoinSet<()>,
    count: usize,
    customers: usize,
}

#[derive(Debug)]
struct Shared {
    ledger: Arc<Ledger>,
    delivery: Mutex<Latencies>,
    changes: AtomicU64,
    /// Ends of orders, each once a stream.
    told: AtomicU64,
    opened: AtomicUsize,
    broken: AtomicUsize,
    settled: watch::Sender<usize>,
}

/// One change, as the stream tells it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Change<'d> {
    order_id: &'d str,
    status: &'d str,
    at: DateTime<Utc>,
}

impl Feeds {
    /// Opens so many streams, one after the other; returns once each is open or has failed.
    pub async fn open(plan: &Plan, ledger: Arc<Ledger>) -> Result<Self> {
        let (count, rate) = plan.streams.map_or((0, 1.0), |of| (of.count, of.per_second));
        let shared = Arc::new(Shared {
            ledger,
            delivery: Mutex::new(Latencies::new()?),
            changes: AtomicU64::new(0),
            told: AtomicU64::new(0),
            opened: AtomicUsize::new(0),
            broken: AtomicUsize::new(0),
            settled: watch::Sender::new(0),
        });
        let (clock, start) = (Clock::new()?, Instant::now());
        let mut feeds =
            Self { shared, readers: JoinSet::new(), count, customers: plan.customers.len() };
        for number in 0..count {
            let token = plan.customers.get(number % plan.customers.len()).context("no customer")?;
            let replica = plan.orders.get(number % plan.orders.len()).context("no address")?;
            let (shared, request) = (Arc::clone(&feeds.shared), changes(token)?);
            clock.until(start + due(rate, u64::try_from(number)?)).await?;
            feeds.readers.spawn(read_to_the_end(shared, *replica, request));
        }
        feeds.shared.settled.subscribe().wait_for(|settled| *settled >= count).await?;
        Ok(feeds)
    }

    /// How many are open.
    pub fn open_now(&self) -> usize {
        let Shared { opened, broken, .. } = &*self.shared;
        opened.load(Ordering::Relaxed).saturating_sub(broken.load(Ordering::Relaxed))
    }

    /// Ends that were to be told so far: of each order on each of its customer's streams.
    pub fn expected(&self) -> u64 {
        let ends = self.shared.ledger.ends_by_customer();
        let streams = |customer: usize| streams_of(customer, self.count, self.customers);
        ends.into_iter().map(|(customer, ends)| ends * streams(customer)).sum()
    }

    /// Ends that were told so far.
    pub fn told(&self) -> u64 {
        self.shared.told.load(Ordering::Relaxed)
    }

    /// What came of them.
    pub fn sum_up(&self) -> StreamsOutcome {
        let Shared { ledger, delivery, changes, opened, broken, .. } = &*self.shared;
        let (expected, told) = (self.expected(), self.told());
        StreamsOutcome {
            opened: opened.load(Ordering::Relaxed),
            broken: broken.load(Ordering::Relaxed),
            changes: changes.load(Ordering::Relaxed),
            expected,
            missed: expected.saturating_sub(told),
            delivery: delivery.lock().unwrap_or_else(PoisonError::into_inner).sum_up(),
            end: ledger.ends_on_streams(),
        }
    }
}

/// How many of so many streams are a customer's, where they are dealt out in turn.
fn streams_of(customer: usize, streams: usize, customers: usize) -> u64 {
    let customers = customers.max(1);
    let has_one_more = customer < streams % customers;
    u64::try_from(streams / customers).unwrap_or(u64::MAX) + u64::from(has_one_more)
}

async fn read_to_the_end(shared: Arc<Shared>, replica: SocketAddr, request: Request<Full<Bytes>>) {
    let mut is_open = false;
    if let Err(error) = read(&shared, replica, request, &mut is_open).await {
        shared.ledger.failed(&error.context("a stream"));
    }
    shared.broken.fetch_add(1, Ordering::Relaxed);
    if !is_open {
        // So that nobody waits for it, and it counts neither as open.
        shared.opened.fetch_add(1, Ordering::Relaxed);
        shared.settled.send_modify(|settled| *settled += 1);
    }
}

async fn read(
    shared: &Shared,
    replica: SocketAddr,
    request: Request<Full<Bytes>>,
    is_open: &mut bool,
) -> Result<()> {
    let stream = connection::stream(replica).await?;
    let (mut requests, connection) =
        http1::Builder::new().max_buf_size(BUFFER).handshake(stream).await?;
    let reading = async {
        let response = requests.send_request(request).await?;
        let status = response.status();
        ensure!(status == StatusCode::OK, "was answered with {status}");
        *is_open = true;
        shared.opened.fetch_add(1, Ordering::Relaxed);
        shared.settled.send_modify(|settled| *settled += 1);
        follow(shared, response.into_body()).await
    };
    // One task for both: ten thousand streams are read here.
    let connection = async {
        let _ = connection.await;
    };
    let ((), read) = tokio::join!(connection, reading);
    read
}

async fn follow(shared: &Shared, mut body: Incoming) -> Result<()> {
    let (mut unread, mut ended) = (Vec::new(), HashSet::new());
    while let Some(frame) = body.frame().await {
        let Ok(bytes) = frame?.into_data() else { continue };
        if unread.is_empty() && bytes.ends_with(b"\n\n") {
            shared.take(&bytes, &mut ended)?;
            continue;
        }
        unread.extend_from_slice(&bytes);
        let Some(end) = unread.windows(2).rposition(|pair| pair == b"\n\n") else { continue };
        let whole: Vec<u8> = unread.drain(..end + 2).collect();
        shared.take(&whole, &mut ended)?;
    }
    Ok(())
}

impl Shared {
    /// Takes in whole events.
    fn take(&self, events: &[u8], ended: &mut HashSet<OrderId>) -> Result<()> {
        let now = Utc::now();
        for data in data_of(std::str::from_utf8(events)?) {
            let change: Change = serde_json::from_str(data).context("a stream's data")?;
            self.changes.fetch_add(1, Ordering::Relaxed);
            let took = (now - change.at).to_std().unwrap_or_default();
            self.delivery.lock().unwrap_or_else(PoisonError::into_inner).record(took);
            if change.status != "PENDING" {
                let order = OrderId::from_str(change.order_id)?;
                if ended.insert(order) {
                    self.told.fetch_add(1, Ordering::Relaxed);
                    self.ledger.ended_on_stream(order);
                }
            }
        }
        Ok(())
    }
}

/// The data of each event; comments, such as heartbeats, have none.
fn data_of(events: &str) -> impl Iterator<Item = &str> {
    events.lines().filter_map(|line| line.strip_prefix("data:")).map(str::trim_start)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_are_dealt_out_in_turn() {
        let dealt = |streams, customers| {
            (0..customers)
                .map(|customer| streams_of(customer, streams, customers))
                .collect::<Vec<_>>()
        };
        assert_eq!(dealt(7, 3), [3, 2, 2]);
        assert_eq!(dealt(2, 3), [1, 1, 0]);
        assert_eq!(dealt(10_000, 512).iter().sum::<u64>(), 10_000);
        assert_eq!(dealt(10_000, 512).into_iter().max(), Some(20));
    }

    #[test]
    fn data_is_found_between_comments_and_ids() {
        let events = "retry: 1000\n\n: heartbeat\n\nid: 5\ndata: {\"a\":1}\n\ndata:{}\n\n";
        assert_eq!(data_of(events).collect::<Vec<_>>(), ["{\"a\":1}", "{}"]);
    }
}
