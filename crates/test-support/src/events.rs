//! Events as their producing services would publish them, and as a plain consumer would read them.

#![allow(clippy::expect_used, reason = "only tests call it, and they end by a panic")]

use std::{collections::HashSet, time::Duration};

use chrono::{TimeDelta, Utc};
use contracts::{
    envelope::{self, Envelope},
    events::{
        CancelReason, Event, EventType, Line, OrderCancelled, OrderCompleted, OrderCreated,
        OrderFailed, OrderFailureReason,
    },
    ids::{CustomerId, OrderId},
    topic::{Topic, topic_names},
    trace::{TraceContext, TraceId},
};
use uuid::Uuid;

use crate::{
    TestEnv,
    kafka::{NewRecord, Record, produce, read_until},
};

/// How long an awaited event may take; servers of tests share two cores.
const PATIENCE: Duration = Duration::from_secs(30);

/// An event with the id under which it is delivered, once or again.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// The same at every delivery.
    pub id: Uuid,
    /// What is told.
    pub event: Event,
}

impl Delivery {
    /// A new event.
    pub fn new(event: impl Into<Event>) -> Self {
        Self { id: Uuid::now_v7(), event: event.into() }
    }

    /// The record its service would publish, on this test's topic.
    pub fn record(&self, env: &TestEnv) -> NewRecord {
        let record = self.published();
        NewRecord { topic: env.topic(&record.topic), ..record }
    }

    /// The record its service would publish where topics have no prefix.
    pub fn published(&self) -> NewRecord {
        let topic = self.event.topic();
        let trace = TraceContext::new(
            *self.event.trace_id().as_bytes(),
            Uuid::now_v7().as_u64_pair().1.to_be_bytes(),
        );
        let envelope = Envelope::new(&self.event, topic.producer(), self.id, Utc::now(), trace);
        let headers = envelope.headers();
        NewRecord {
            topic: topic.name().to_owned(),
            partition: None,
            key: Some(self.event.key().into_bytes()),
            headers: headers
                .iter()
                .map(|(n, v)| ((*n).to_owned(), v.as_bytes().to_vec()))
                .collect(),
            payload: Some(self.event.to_json()),
        }
    }
}

impl TestEnv {
    /// Publishes an event as its service would, and returns what delivers it again.
    ///
    /// # Panics
    ///
    /// When Kafka does not take it.
    pub async fn publish(&self, event: impl Into<Event>) -> Delivery {
        let delivery = Delivery::new(event);
        self.deliver(std::slice::from_ref(&delivery)).await;
        delivery
    }

    /// Publishes deliveries in this order, in one batch.
    ///
    /// # Panics
    ///
    /// When Kafka does not take them.
    pub async fn deliver(&self, deliveries: &[Delivery]) {
        let records: Vec<_> = deliveries.iter().map(|delivery| delivery.record(self)).collect();
        produce(self.kafka_brokers(), &records).await.expect("Kafka takes the events");
    }

    /// Reads a topic from its beginning until `enough` holds for its events so far; in order per key.
    /// Each is given once, by its id, as its consumers see it: a relay repeats what it had not yet deleted
    /// when its process was killed. That it repeats nothing else is for the tests of the relay.
    ///
    /// # Panics
    ///
    /// When it does not hold in time, or when a record is no event.
    pub async fn events(&self, topic: Topic, enough: impl FnMut(&[Event]) -> bool) -> Vec<Event> {
        self.events_of(&[topic], enough).await
    }

    /// The same for several topics.
    ///
    /// # Panics
    ///
    /// Likewise.
    pub async fn events_of(
        &self,
        topics: &[Topic],
        mut enough: impl FnMut(&[Event]) -> bool,
    ) -> Vec<Event> {
        let names: Vec<_> = topics.iter().map(|topic| self.topic(topic.name())).collect();
        let names: Vec<_> = names.iter().map(String::as_str).collect();
        let (mut events, mut ids, mut seen) = (Vec::new(), HashSet::new(), 0);
        read_until(self.kafka_brokers(), &names, PATIENCE, |records| {
            let fresh = records[seen..].iter().filter(|record| {
                let id = record.header(envelope::CE_ID).expect("an event with an id");
                ids.insert(id.to_vec())
            });
            events.extend(fresh.map(event));
            seen = records.len();
            enough(&events)
        })
        .await
        .expect("the awaited events");
        events
    }

    /// Makes all topics of the system.
    ///
    /// # Panics
    ///
    /// When Kafka does not answer.
    pub async fn create_all_topics(&self) {
        let names = topic_names([self.service()]);
        let names: Vec<_> = names.iter().map(String::as_str).collect();
        self.create_topics(&names).await;
    }
}

/// The event in a record.
///
/// # Panics
///
/// When it is none.
pub fn event(record: &Record) -> Event {
    let name = record.header(envelope::TYPE).and_then(|name| std::str::from_utf8(name).ok());
    let event_type = name.and_then(EventType::from_name).expect("a known type");
    Event::decode(event_type, record.payload.as_deref().expect("a body")).expect("a valid event")
}

/// The id of an order that nobody has heard of.
pub fn new_order() -> OrderId {
    OrderId::from_uuid(Uuid::now_v7())
}

/// Another at every call.
pub fn trace_id() -> TraceId {
    TraceId::from_bytes(Uuid::now_v7().into_bytes())
}

/// An order of two mugs by somebody, to be paid later, which does not expire during a test.
///
/// # Panics
///
/// Never.
pub fn created(order_id: OrderId) -> OrderCreated {
    OrderCreated {
        order_id,
        customer_id: CustomerId::from_uuid(Uuid::now_v7()),
        items: vec![Line { sku: "MUG-01".parse().expect("a SKU"), qty: 2 }],
        total: "1499.00".parse().expect("an amount"),
        currency: "INR".parse().expect("a currency"),
        created_at: Utc::now(),
        expires_at: Utc::now() + TimeDelta::minutes(15),
        payment_method: None,
        trace_id: trace_id(),
    }
}

/// The end of an order by its customer; like the other ends with the required fields alone.
pub fn cancelled(order_id: OrderId) -> OrderCancelled {
    OrderCancelled {
        order_id,
        customer_id: None,
        reason: CancelReason::Customer,
        version: None,
        cancelled_at: None,
        trace_id: trace_id(),
    }
}

/// The end of an order that is paid and in stock.
pub fn completed(order_id: OrderId) -> OrderCompleted {
    OrderCompleted {
        order_id,
        customer_id: None,
        version: None,
        total: None,
        currency: None,
        completed_at: None,
        trace_id: trace_id(),
    }
}

/// The end of an order that could not be paid.
pub fn failed(order_id: OrderId) -> OrderFailed {
    let (reason, trace_id) = (OrderFailureReason::PaymentFailed, trace_id());
    OrderFailed { order_id, reason, customer_id: None, version: None, failed_at: None, trace_id }
}
