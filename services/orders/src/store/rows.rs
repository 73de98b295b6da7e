//! Rows as Postgres has them, and what they stand for.

use chrono::{DateTime, Utc};
use contracts::ids::{CustomerId, OrderId, Sku};
use contracts::money::Money;
use contracts::trace::TraceContext;
use serde::{Deserialize, Serialize};
use sqlx::FromRow;
use sqlx::types::Json;
use uuid::Uuid;

use super::Entry;
use crate::order::{Order, State};
use crate::placement::PlacedOrder;
use crate::quote::PricedLine;

/// A line as the column `items` holds it; the currency is the order's.
#[derive(Serialize, Deserialize)]
pub(super) struct Item {
    sku: Sku,
    qty: u32,
    price: i64,
}

#[derive(FromRow)]
pub(super) struct OrderRow {
    id: Uuid,
    customer_id: Uuid,
    step: String,
    reason: Option<String>,
    version: i32,
    total_minor: i64,
    currency: String,
    updated_at: DateTime<Utc>,
}

#[derive(FromRow)]
pub(super) struct HistoryRow {
    version: i32,
    step: String,
    reason: Option<String>,
    cause: String,
    recorded_at: DateTime<Utc>,
}

#[derive(FromRow)]
pub(super) struct PlacedRow {
    #[sqlx(flatten)]
    order: OrderRow,
    items: Json<Vec<Item>>,
    payment_method: Option<String>,
    traceparent: String,
    created_at: DateTime<Utc>,
    expires_at: DateTime<Utc>,
}

impl OrderRow {
    pub(super) fn order(self) -> sqlx::Result<Order> {
        let currency = self.currency.parse().map_err(unreadable)?;
        Ok(Order {
            id: OrderId::from_uuid(self.id),
            customer: CustomerId::from_uuid(self.customer_id),
            total: Money { minor: self.total_minor, currency },
            state: state(&self.step, self.reason.as_deref())?,
            version: self.version.cast_unsigned(),
            updated_at: self.updated_at,
        })
    }
}

impl PlacedRow {
    pub(super) fn placed(self) -> sqlx::Result<PlacedOrder> {
        let order = self.order.order()?;
        let currency = order.total.currency;
        let line = |Item { sku, qty, price }| {
            let each = Money { minor: price, currency };
            PricedLine { sku, qty, each }
        };
        Ok(PlacedOrder {
            order,
            lines: self.items.0.into_iter().map(line).collect(),
            payment_method: self.payment_method,
            created_at: self.created_at,
            expires_at: self.expires_at,
            trace: TraceContext::parse(&self.traceparent).map_err(unreadable)?,
        })
    }
}

impl HistoryRow {
    pub(super) fn entry(self) -> sqlx::Result<Entry> {
        let state = state(&self.step, self.reason.as_deref())?;
        let version = self.version.cast_unsigned();
        Ok(Entry { version, state, cause: self.cause, at: self.recorded_at })
    }
}

/// The lines as the column `items` holds them.
pub(super) fn items(lines: &[PricedLine]) -> Vec<Item> {
    let item =
        |line: &PricedLine| Item { sku: line.sku.clone(), qty: line.qty, price: line.each.minor };
    lines.iter().map(item).collect()
}

/// The state that a row tells in two columns.
pub(super) fn state(step: &str, reason: Option<&str>) -> sqlx::Result<State> {
    let step = step.parse().map_err(unreadable)?;
    State::from_parts(step, reason)
        .ok_or_else(|| unreadable(format!("the step {step} with the reason {reason:?}")))
}

fn unreadable(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> sqlx::Error {
    sqlx::Error::Decode(error.into())
}
