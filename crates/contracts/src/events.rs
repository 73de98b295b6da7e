//! The events, one struct each, one module a topic.
//!
//! To add an event:
//! 1. write its struct in its topic's module, with `trace_id` as the last field;
//! 2. add its line to the `events!` list below: name, topic, key;
//! 3. if it carries money, name it in `Event::amount`, so that decoding checks it;
//! 4. add `golden/<topic>/<Name>.json` with the required fields alone and, if
//!    it has optional ones, `<Name>.full.json` with all of them;
//! 5. run `cargo xtask contracts` and commit the documents it writes: a schema
//!    of the event, and its place in the `AsyncAPI` document and in `docs/topics.md`.
//!
//! The compiler and the tests then name whatever is still missing.
//!
//! To add a field to an event, make it an `Option` that is not printed when
//! absent: old records don't have it. A golden sample that has landed is never
//! edited, except that an optional field is added to the full one. A test
//! compares the schemas with those of the last release: whatever else changes
//! there is a new topic version.

mod decode;
mod expiration;
mod fulfillment;
mod inventory;
mod line;
mod orders;
mod payments;
mod products;
mod stock;
mod typed;
mod users;

use std::fmt;

pub use self::{
    decode::DecodeError,
    expiration::ExpirationCompleted,
    fulfillment::{OrderCompleted, OrderFailed, OrderFailureReason},
    inventory::{
        InventoryReleased, InventoryReservationFailed, InventoryReserved, ReservationFailureReason,
    },
    line::Line,
    orders::{CancelReason, OrderCancelled, OrderCreated, OrderStatus, OrderStep, OrderUpdated},
    payments::{
        OtherReason, PaymentAuthorized, PaymentCaptured, PaymentFailed, PaymentFailureReason,
        PaymentRefunded, PaymentVoided,
    },
    products::{ProductCreated, ProductDiscontinued, ProductUpdated},
    stock::StockChanged,
    users::{
        Email, EmailError, PublicKey, PublicKeyError, Role, SigningAlgorithm, SigningKeyPublished,
        UserRegistered,
    },
};
pub use crate::text::UnknownName;
use crate::{
    money::{Amount, Currency},
    topic::Topic,
    trace::TraceId,
};

macro_rules! events {
    ($($event:ident on $topic:ident by $key:ident,)+) => {
        /// The name of an event.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum EventType {
            $(#[doc = concat!("[`struct@", stringify!($event), "`]")] $event,)+
        }

        impl EventType {
            /// Every event.
            pub const ALL: &'static [EventType] = &[$(EventType::$event),+];

            /// The name as on the wire.
            pub const fn name(self) -> &'static str {
                match self {
                    $(EventType::$event => stringify!($event),)+
                }
            }

            /// The event of that name, if it is known here.
            pub fn from_name(name: &str) -> Option<EventType> {
                match name {
                    $(stringify!($event) => Some(EventType::$event),)+
                    _ => None,
                }
            }

            /// Where it is published.
            pub const fn topic(self) -> Topic {
                match self {
                    $(EventType::$event => Topic::$topic,)+
                }
            }

            /// The name in Rust of the field that is the record's key.
            #[cfg(feature = "schema")]
            pub(crate) const fn key_field(self) -> &'static str {
                match self {
                    $(EventType::$event => stringify!($key),)+
                }
            }

            /// The schema of its struct.
            #[cfg(feature = "schema")]
            pub(crate) fn struct_schema(self) -> schemars::Schema {
                let generator = schemars::generate::SchemaSettings::draft2020_12().into_generator();
                match self {
                    $(EventType::$event => generator.into_root_schema_for::<$event>(),)+
                }
            }
        }

        /// Any event.
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub enum Event {
            $(#[doc = concat!("[`struct@", stringify!($event), "`]")] $event($event),)+
        }

        $(impl From<$event> for Event {
            fn from(event: $event) -> Event {
                Event::$event(event)
            }
        })+

        impl Event {
            /// Which event it is.
            pub const fn event_type(&self) -> EventType {
                match self {
                    $(Event::$event(_) => EventType::$event,)+
                }
            }

            /// The record's key: the id of the aggregate it happened to.
            pub fn key(&self) -> String {
                match self {
                    $(Event::$event(event) => event.$key.to_string(),)+
                }
            }

            /// The trace it belongs to.
            pub const fn trace_id(&self) -> TraceId {
                match self {
                    $(Event::$event(event) => event.trace_id,)+
                }
            }

            /// The body as JSON, `type` first.
            pub fn to_json(&self) -> Vec<u8> {
                match self {
                    $(Event::$event(event) => decode::to_json(EventType::$event, event),)+
                }
            }

            /// Reads a body of the given type. Fields not known here are ignored.
            pub fn decode(event_type: EventType, json: &[u8]) -> Result<Event, DecodeError> {
                let event = match event_type {
                    $(EventType::$event => Event::$event(decode::body(event_type, json)?),)+
                };
                event.check_amount()?;
                Ok(event)
            }

            /// Whether a body can be read in one pass.
            #[cfg(test)]
            fn is_read_in_one_pass(event_type: EventType, json: &[u8]) -> bool {
                match event_type {
                    $(EventType::$event => typed::from_slice::<$event>(event_type.name(), json).is_ok(),)+
                }
            }
        }
    };
}

events! {
    UserRegistered on Users by user_id,
    SigningKeyPublished on Users by key_id,
    ProductCreated on Products by sku,
    ProductUpdated on Products by sku,
    ProductDiscontinued on Products by sku,
    StockChanged on Stock by sku,
    OrderCreated on Orders by order_id,
    OrderUpdated on Orders by order_id,
    OrderCancelled on Orders by order_id,
    InventoryReserved on Inventory by order_id,
    InventoryReservationFailed on Inventory by order_id,
    InventoryReleased on Inventory by order_id,
    PaymentAuthorized on Payments by order_id,
    PaymentFailed on Payments by order_id,
    PaymentCaptured on Payments by order_id,
    PaymentVoided on Payments by order_id,
    PaymentRefunded on Payments by order_id,
    ExpirationCompleted on Expiration by order_id,
    OrderCompleted on Fulfillment by order_id,
    OrderFailed on Fulfillment by order_id,
}

impl Event {
    /// Where it is published.
    pub const fn topic(&self) -> Topic {
        self.event_type().topic()
    }

    /// The field that holds money, its amount and the currency, where there are any.
    const fn amount(&self) -> Option<(&'static str, Amount, Option<Currency>)> {
        match self {
            Event::ProductCreated(e) => Some(("price", e.price, Some(e.currency))),
            Event::ProductUpdated(e) => Some(("price", e.price, Some(e.currency))),
            Event::OrderCreated(e) => Some(("total", e.total, Some(e.currency))),
            Event::PaymentAuthorized(e) => Some(("amount", e.amount, Some(e.currency))),
            Event::PaymentCaptured(e) => Some(("amount", e.amount, Some(e.currency))),
            Event::PaymentVoided(e) => Some(("amount", e.amount, Some(e.currency))),
            Event::PaymentRefunded(e) => Some(("amount", e.amount, Some(e.currency))),
            Event::OrderCompleted(OrderCompleted { total: Some(total), currency, .. }) => {
                Some(("total", *total, *currency))
            }
            Event::OrderCompleted(_)
            | Event::UserRegistered(_)
            | Event::SigningKeyPublished(_)
            | Event::ProductDiscontinued(_)
            | Event::StockChanged(_)
            | Event::OrderUpdated(_)
            | Event::OrderCancelled(_)
            | Event::InventoryReserved(_)
            | Event::InventoryReservationFailed(_)
            | Event::InventoryReleased(_)
            | Event::PaymentFailed(_)
            | Event::ExpirationCompleted(_)
            | Event::OrderFailed(_) => None,
        }
    }
}

impl fmt::Display for EventType {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(self.name())
    }
}
