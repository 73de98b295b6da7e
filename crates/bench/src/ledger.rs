//! Which orders were placed, and how each ended.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Result;
use contracts::ids::OrderId;
use hyper::StatusCode;

use crate::outcome::{Outcome, Progress, Second};
use crate::stats::Latencies;

const EXAMPLES: usize = 10;

/// How an order ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    Completed,
    Failed(&'static str),
    Cancelled(&'static str),
}

/// What was accepted and what has ended, from whichever side it is heard of first.
#[derive(Debug)]
pub struct Ledger(Mutex<Books>);

#[derive(Debug)]
struct Books {
    placed: HashMap<OrderId, Placed>,
    /// Heard of before their requests were answered.
    early: HashMap<OrderId, (Instant, End)>,
    early_on_streams: HashMap<OrderId, Instant>,
    open: u64,
    counts: Outcome,
    accept: Latencies,
    end: Latencies,
    end_on_stream: Latencies,
    first_sent: Option<Instant>,
    last_answer: Option<Instant>,
    last_end: Option<Instant>,
    second: Latencies,
    /// Up to the second that runs.
    before: Totals,
}

#[derive(Debug, Clone, Copy, Default)]
struct Totals {
    accepted: u64,
    ended: u64,
}

#[derive(Debug, Clone, Copy)]
struct Placed {
    due: Instant,
    customer: usize,
    has_ended: bool,
    has_ended_on_stream: bool,
}

impl Ledger {
    pub fn new() -> Result<Self> {
        Ok(Self(Mutex::new(Books {
            placed: HashMap::new(),
            early: HashMap::new(),
            early_on_streams: HashMap::new(),
            open: 0,
            counts: Outcome::default(),
            accept: Latencies::new()?,
            end: Latencies::new()?,
            end_on_stream: Latencies::new()?,
            first_sent: None,
            last_answer: None,
            last_end: None,
            second: Latencies::new()?,
            before: Totals::default(),
        })))
    }

    fn books(&self) -> MutexGuard<'_, Books> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A request for an order is sent.
    pub fn sent(&self) {
        let mut books = self.books();
        books.counts.sent += 1;
        books.first_sent.get_or_insert_with(Instant::now);
    }

    /// It was answered with 202; it was `due` at a moment that may lie before it was sent.
    pub fn accepted(&self, order: OrderId, customer: usize, due: Instant) {
        let now = Instant::now();
        let mut books = self.books();
        books.counts.accepted += 1;
        books.last_answer = Some(now);
        books.accept.record(now - due);
        books.open += 1;
        let placed = Placed { due, customer, has_ended: false, has_ended_on_stream: false };
        books.placed.insert(order, placed);
        if let Some((at, end)) = books.early.remove(&order) {
            books.ended(order, end, at);
        }
        if let Some(at) = books.early_on_streams.remove(&order) {
            books.ended_on_stream(order, at);
        }
    }

    /// It was answered otherwise.
    pub fn refused(&self, status: StatusCode) {
        let mut books = self.books();
        books.last_answer = Some(Instant::now());
        *books.counts.refused.entry(status.as_u16()).or_default() += 1;
    }

    /// Something went wrong with a request.
    pub fn failed(&self, error: &anyhow::Error) {
        let mut books = self.books();
        books.counts.errors += 1;
        books.counts.first_error.get_or_insert_with(|| format!("{error:#}"));
    }

    /// The topic tells that an order has ended.
    pub fn ended(&self, order: OrderId, end: End) {
        self.books().ended(order, end, Instant::now());
    }

    /// A stream tells that an order has ended.
    pub fn ended_on_stream(&self, order: OrderId) {
        self.books().ended_on_stream(order, Instant::now());
    }

    /// Accepted orders that have not ended.
    pub fn open(&self) -> u64 {
        self.books().open
    }

    /// Orders that have ended.
    pub fn ends(&self) -> u64 {
        self.books().counts.ended()
    }

    /// Sending ends.
    pub fn stopped(&self) {
        let mut books = self.books();
        books.counts.backlog_at_end = books.open;
    }

    /// How many orders of each customer have ended.
    pub fn ends_by_customer(&self) -> BTreeMap<usize, u64> {
        let mut ends = BTreeMap::new();
        for placed in self.books().placed.values().filter(|placed| placed.has_ended) {
            *ends.entry(placed.customer).or_default() += 1;
        }
        ends
    }

    /// Ends the second that runs.
    pub fn tick(&self, streams: usize) -> Progress {
        let mut books = self.books();
        let seconds = books.first_sent.map_or(0.0, |first| first.elapsed().as_secs_f64());
        let (accepted, ended) = (books.counts.accepted, books.counts.ended());
        if books.first_sent.is_some() {
            let (p50_ms, p99_ms) = books.second.median_and_tail();
            let now = Totals { accepted, ended };
            let before = std::mem::replace(&mut books.before, now);
            books.counts.series.push(Second {
                at: seconds,
                accepted: accepted - before.accepted,
                ended: ended - before.ended,
                p50_ms,
                p99_ms,
            });
            books.second.clear();
        }
        Progress { seconds, sent: books.counts.sent, accepted, ended, open: books.open, streams }
    }

    /// What it all came to; of the streams, the latency alone.
    pub fn sum_up(&self) -> Outcome {
        let books = self.books();
        let mut outcome = books.counts.clone();
        let since_first = |moment: Option<Instant>| {
            let first = books.first_sent.zip(moment);
            first.map_or(Duration::ZERO, |(first, moment)| moment - first).as_secs_f64()
        };
        let lost = books.placed.iter().filter(|(_, placed)| !placed.has_ended);
        outcome.lost = books.open;
        outcome.lost_examples = lost.map(|(id, _)| id.to_string()).take(EXAMPLES).collect();
        outcome.strangers = u64::try_from(books.early.len()).unwrap_or(u64::MAX);
        outcome.placed_in_seconds = since_first(books.last_answer);
        outcome.ended_in_seconds = since_first(books.last_end);
        if outcome.ended_in_seconds > 0.0 {
            outcome.completed_per_second = count(outcome.completed) / outcome.ended_in_seconds;
        }
        outcome.accept = books.accept.sum_up();
        outcome.end = books.end.sum_up();
        outcome
    }

    /// How long orders took until their end was told on a stream.
    pub fn ends_on_streams(&self) -> crate::outcome::Latency {
        self.books().end_on_stream.sum_up()
    }
}

impl Books {
    fn ended(&mut self, order: OrderId, end: End, at: Instant) {
        let Some(placed) = self.placed.get_mut(&order) else {
            self.early.entry(order).or_insert((at, end));
            return;
        };
        if std::mem::replace(&mut placed.has_ended, true) {
            self.counts.repeats += 1;
            return;
        }
        let took = at - placed.due;
        self.end.record(took);
        self.second.record(took);
        self.open -= 1;
        self.last_end = self.last_end.max(Some(at));
        match end {
            End::Completed => self.counts.completed += 1,
            End::Failed(why) => *self.counts.failed.entry(why.to_owned()).or_default() += 1,
            End::Cancelled(why) => *self.counts.cancelled.entry(why.to_owned()).or_default() += 1,
        }
    }

    fn ended_on_stream(&mut self, order: OrderId, at: Instant) {
        let Some(placed) = self.placed.get_mut(&order) else {
            self.early_on_streams.entry(order).or_insert(at);
            return;
        };
        if !std::mem::replace(&mut placed.has_ended_on_stream, true) {
            self.end_on_stream.record(at - placed.due);
        }
    }
}

#[allow(clippy::cast_precision_loss, reason = "far below 2^52 orders")]
fn count(of: u64) -> f64 {
    of as f64
}

#[cfg(test)]
mod tests;
