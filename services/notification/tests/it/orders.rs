//! What the orders service tells.

use chrono::{TimeDelta, Utc};
use contracts::events::{
    CancelReason, Event, Line, OrderCancelled, OrderCompleted, OrderCreated, OrderFailed,
    OrderFailureReason,
};
use contracts::ids::{CustomerId, OrderId};
use contracts::money::Currency;
use contracts::trace::TraceId;
use uuid::Uuid;

pub fn new_order() -> OrderId {
    OrderId::from_uuid(Uuid::now_v7())
}

fn trace_id() -> TraceId {
    TraceId::from_bytes([1; 16])
}

pub fn created(order_id: OrderId, customer_id: CustomerId) -> Event {
    Event::from(OrderCreated {
        order_id,
        customer_id,
        items: vec![Line { sku: "MUG".parse().unwrap(), qty: 2 }],
        total: "898.00".parse().unwrap(),
        currency: Currency::INR,
        created_at: Utc::now(),
        expires_at: Utc::now() + TimeDelta::minutes(15),
        payment_method: None,
        trace_id: trace_id(),
    })
}

pub fn completed(order_id: OrderId, customer_id: Option<CustomerId>) -> Event {
    Event::from(OrderCompleted {
        order_id,
        customer_id,
        version: None,
        total: None,
        currency: None,
        completed_at: None,
        trace_id: trace_id(),
    })
}

pub fn failed(
    order_id: OrderId,
    customer_id: Option<CustomerId>,
    reason: OrderFailureReason,
) -> Event {
    Event::from(OrderFailed {
        order_id,
        reason,
        customer_id,
        version: None,
        failed_at: None,
        trace_id: trace_id(),
    })
}

pub fn cancelled(
    order_id: OrderId,
    customer_id: Option<CustomerId>,
    reason: CancelReason,
) -> Event {
    Event::from(OrderCancelled {
        order_id,
        customer_id,
        reason,
        version: None,
        cancelled_at: None,
        trace_id: trace_id(),
    })
}
