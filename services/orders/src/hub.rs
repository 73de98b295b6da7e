//! Which customers of this process are watching, and how news of orders reach them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, Utc};
use contracts::events::{Event, EventType};
use contracts::ids::{CustomerId, OrderId};
use messaging::Received;
use tokio::sync::{mpsc, watch};

use crate::order::State;

/// The events that news come from.
pub const WANTS: &[EventType] = &[
    EventType::OrderCreated,
    EventType::OrderUpdated,
    EventType::OrderCancelled,
    EventType::OrderCompleted,
    EventType::OrderFailed,
];

/// News a stream may be behind. One that falls further behind is closed: its client comes back and
/// reads what it missed from the database.
const BACKLOG: usize = 4096;

/// One change of an order, as streams tell it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Update {
    /// The order.
    pub order: OrderId,
    /// Where it stands.
    pub state: State,
    /// Its version.
    pub version: u32,
    /// When it changed.
    pub at: DateTime<Utc>,
}

/// An update with the time its event was recorded at, by the database's clock.
pub type Recorded = (DateTime<Utc>, Update);

/// How many streams may be open at once.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Of one customer.
    pub of_customer: usize,
    /// Of this process.
    pub of_all: usize,
}

/// The streams of this process, by customer. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Hub(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    limits: Limits,
    streams: Mutex<Streams>,
    positioned: watch::Sender<bool>,
}

#[derive(Debug, Default)]
struct Streams {
    last_id: u64,
    /// How many there are.
    open: usize,
    by_customer: HashMap<CustomerId, Vec<Slot>>,
}

/// A stream's place. It stays taken until the stream is gone, also when the stream was too slow and is
/// told nothing any more.
#[derive(Debug)]
struct Slot {
    id: u64,
    sender: Option<mpsc::Sender<Recorded>>,
}

/// The news of one customer's orders from now on.
#[derive(Debug)]
pub struct Subscription {
    /// Differs from that of every other subscription of this process.
    pub id: u64,
    hub: Hub,
    customer: CustomerId,
    news: mpsc::Receiver<Recorded>,
}

/// Why no further stream is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TooManyStreams {
    /// The customer has as many as one may have.
    #[error("at most {0} streams may be open at once")]
    OfCustomer(usize),
    /// All customers together have as many as this process takes.
    #[error("at most {0} streams may be open at this replica")]
    OfAll(usize),
}

impl Hub {
    /// Nobody watches yet.
    pub fn new(limits: Limits) -> Self {
        Self(Arc::new(Inner {
            limits,
            streams: Mutex::default(),
            positioned: watch::Sender::default(),
        }))
    }

    /// Says that from now on every event will be told.
    pub fn positioned(&self) {
        self.0.positioned.send_replace(true);
    }

    /// Resolves once every event is told.
    pub async fn until_positioned(&self) {
        // The sender lives as long as the hub: no error.
        drop(self.0.positioned.subscribe().wait_for(|positioned| *positioned).await);
    }

    /// Opens a stream of a customer's news.
    pub fn subscribe(&self, customer: CustomerId) -> Result<Subscription, TooManyStreams> {
        let Limits { of_customer, of_all } = self.0.limits;
        let mut streams = self.streams();
        if streams.open >= of_all {
            return Err(TooManyStreams::OfAll(of_all));
        }
        let id = streams.last_id + 1;
        let slots = streams.by_customer.entry(customer).or_default();
        if slots.len() >= of_customer {
            return Err(TooManyStreams::OfCustomer(of_customer));
        }
        // Grows with what waits in it; a stream that keeps up costs little.
        let (sender, news) = mpsc::channel(BACKLOG);
        slots.push(Slot { id, sender: Some(sender) });
        streams.last_id = id;
        streams.open += 1;
        metrics::gauge!("order_streams").increment(1);
        Ok(Subscription { id, hub: self.clone(), customer, news })
    }

    /// Tells an event to the streams of its customer.
    pub fn tell(&self, received: &Received) {
        let Some((customer, update)) = update(&received.event) else {
            return;
        };
        let mut streams = self.streams();
        for slot in streams.by_customer.get_mut(&customer).into_iter().flatten() {
            let Some(sender) = &slot.sender else { continue };
            if sender.try_send((received.time, update)).is_err() {
                slot.sender = None;
                metrics::counter!("order_streams_too_slow_total").increment(1);
            }
        }
    }

    fn streams(&self) -> MutexGuard<'_, Streams> {
        self.0.streams.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Subscription {
    /// The next news; `None` once the stream fell too far behind.
    pub async fn next(&mut self) -> Option<Recorded> {
        self.news.recv().await
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        let mut streams = self.hub.streams();
        if let Some(slots) = streams.by_customer.get_mut(&self.customer) {
            slots.retain(|slot| slot.id != self.id);
            if slots.is_empty() {
                streams.by_customer.remove(&self.customer);
            }
        }
        streams.open -= 1;
        metrics::gauge!("order_streams").decrement(1);
    }
}

/// What an event of this service tells a customer.
fn update(event: &Event) -> Option<(CustomerId, Update)> {
    let (customer, order, state, version, at) = match event {
        Event::OrderCreated(e) => (e.customer_id, e.order_id, State::Created, 1, e.created_at),
        Event::OrderUpdated(e) => {
            let state = State::from_parts(e.step, None)?;
            (e.customer_id, e.order_id, state, e.version, e.updated_at)
        }
        Event::OrderCompleted(e) => {
            (e.customer_id?, e.order_id, State::Completed, e.version?, e.completed_at?)
        }
        Event::OrderFailed(e) => {
            (e.customer_id?, e.order_id, State::Failed(e.reason), e.version?, e.failed_at?)
        }
        Event::OrderCancelled(e) => {
            (e.customer_id?, e.order_id, State::Cancelled(e.reason), e.version?, e.cancelled_at?)
        }
        _ => return None,
    };
    Some((customer, Update { order, state, version, at }))
}

#[cfg(test)]
mod tests;
