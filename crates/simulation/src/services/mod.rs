//! The services: their own pure rules, over maps where the real ones have tables.
//!
//! Nothing is decided here. Where a real service leaves something to a statement of its `store.rs`
//! ("on conflict do nothing"), the map does what that statement says.

mod expiration;
mod inventory;
mod notification;
mod orders;
mod payments;

use std::rc::Rc;

use chrono::{DateTime, Utc};
use contracts::events::{Event, EventType};
use contracts::trace::TraceContext;
use messaging::Handler;
use uuid::Uuid;

pub use self::expiration::Expiration;
pub use self::inventory::Inventory;
pub use self::notification::{Mail, Notification};
pub use self::orders::Orders;
pub use self::payments::Payments;
use crate::topics::Record;

/// A service of the saga.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Service {
    /// The judge.
    Orders,
    /// Reserves.
    Inventory,
    /// Authorises and captures.
    Payments,
    /// Fires timers.
    Expiration,
    /// Writes to customers.
    Notification,
}

impl Service {
    /// Every one.
    pub const ALL: [Self; 5] =
        [Self::Orders, Self::Inventory, Self::Payments, Self::Expiration, Self::Notification];

    /// The events it handles: what its consumer says.
    pub fn handles(self) -> &'static [EventType] {
        match self {
            Self::Orders => <::orders::OrdersHandler as Handler>::HANDLES,
            Self::Inventory => <::inventory::Inbound as Handler>::HANDLES,
            Self::Payments => <::payments::Inbound as Handler>::HANDLES,
            Self::Expiration => <::expiration::Inbound as Handler>::HANDLES,
            Self::Notification => <::notification::Inbound as Handler>::HANDLES,
        }
    }

    /// Its name, as topics tell it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Orders => ::orders::SERVICE.name,
            Self::Inventory => ::inventory::SERVICE.name,
            Self::Payments => ::payments::SERVICE.name,
            Self::Expiration => ::expiration::SERVICE.name,
            Self::Notification => ::notification::SERVICE.name,
        }
    }
}

/// What a transaction has besides the service's state.
#[derive(Debug)]
pub struct Tx<'i> {
    /// Its time, by the clock of the service's database.
    pub now: DateTime<Utc>,
    /// What it publishes.
    pub events: Vec<(Event, TraceContext)>,
    ids: &'i mut u128,
}

impl<'i> Tx<'i> {
    /// One that begins now, and takes ids behind the last.
    pub fn new(now: DateTime<Utc>, ids: &'i mut u128) -> Self {
        Self { now, events: Vec::new(), ids }
    }

    fn publish(&mut self, event: impl Into<Event>, trace: TraceContext) {
        self.events.push((event.into(), trace));
    }

    fn new_id(&mut self) -> Uuid {
        new_id(self.ids)
    }
}

/// An id that no other has.
pub fn new_id(ids: &mut u128) -> Uuid {
    *ids += 1;
    Uuid::from_u128(*ids)
}

/// What all services have stored.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct States {
    /// Orders and prices.
    pub orders: Orders,
    /// Stock and reservations.
    pub inventory: Inventory,
    /// Payments.
    pub payments: Payments,
    /// Timers.
    pub expiration: Expiration,
    /// Notifications and addresses.
    pub notification: Notification,
}

impl States {
    /// What the service's handler does with a batch. An error would be a dead letter.
    pub fn handle(
        &mut self,
        service: Service,
        batch: &[Rc<Record>],
        tx: &mut Tx,
    ) -> Result<(), String> {
        match service {
            Service::Orders => self.orders.handle(batch, tx),
            Service::Inventory => self.inventory.handle(batch, tx),
            Service::Payments => self.payments.handle(batch, tx),
            Service::Expiration => {
                self.expiration.handle(batch);
                Ok(())
            }
            Service::Notification => {
                self.notification.handle(batch, tx);
                Ok(())
            }
        }
    }

    /// Whether a service knows a signing key; `None` for one that needs none.
    pub fn knows_key(&self, service: Service, key: &str) -> Option<bool> {
        let keys = match service {
            Service::Orders => &self.orders.keys,
            Service::Inventory => &self.inventory.keys,
            Service::Payments => &self.payments.keys,
            Service::Expiration => return None,
            Service::Notification => &self.notification.keys,
        };
        Some(keys.contains(key))
    }
}
