//! Orders and their history in Postgres.

mod watch;

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use contracts::events::OrderStatus;
use contracts::ids::{CustomerId, OrderId, Sku};
use contracts::money::Money;
use contracts::trace::TraceContext;
use serde::{Deserialize, Serialize};
use sqlx::types::Json;
use sqlx::{FromRow, PgConnection, PgExecutor};
use uuid::Uuid;

use crate::order::{Cause, Order, State};
use crate::placement::PlacedOrder;
use crate::quote::PricedLine;

pub use watch::{Watch, changes_since, now, open_orders};

/// What the history calls the placing of an order.
const PLACED: &str = "OrderPlaced";

/// The columns of a [`PlacedRow`], by name: a column added later must not change what running replicas
/// have prepared.
macro_rules! placed_columns {
    () => {
        "id, customer_id, step, reason, version, total_minor, currency, updated_at, items,
         payment_method, traceparent, created_at, expires_at"
    };
}

/// A line as the column `items` holds it; the currency is the order's.
#[derive(Serialize, Deserialize)]
struct Item {
    sku: Sku,
    qty: u32,
    price: i64,
}

#[derive(FromRow)]
struct OrderRow {
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
struct HistoryRow {
    version: i32,
    step: String,
    reason: Option<String>,
    cause: String,
    recorded_at: DateTime<Utc>,
}

#[derive(FromRow)]
struct PlacedRow {
    #[sqlx(flatten)]
    order: OrderRow,
    items: Json<Vec<Item>>,
    payment_method: Option<String>,
    traceparent: String,
    created_at: DateTime<Utc>,
    expires_at: DateTime<Utc>,
}

/// One change of an order.
#[derive(Debug, Clone, Copy)]
pub struct Change {
    /// The order after it.
    pub order: Order,
    /// What led to it.
    pub cause: Cause,
    /// The event it came with; none for what the customer did.
    pub event: Option<Uuid>,
}

/// One entry of an order's history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The order's version from then on.
    pub version: u32,
    /// Where it stood from then on.
    pub state: State,
    /// What led to it.
    pub cause: String,
    /// When.
    pub at: DateTime<Utc>,
}

/// Which of a customer's orders to list.
#[derive(Debug, Clone, Copy)]
pub struct Listing {
    /// Whose.
    pub customer: CustomerId,
    /// Only those that stand so.
    pub status: Option<OrderStatus>,
    /// Only those placed before this one.
    pub before: Option<OrderId>,
    /// At most so many.
    pub limit: u32,
}

/// Writes orders that were just placed, each with the first entry of its history.
pub async fn insert(connection: &mut PgConnection, placed: &[PlacedOrder]) -> sqlx::Result<()> {
    let column = |of: fn(&PlacedOrder) -> &str| placed.iter().map(of).collect::<Vec<_>>();
    let times = |of: fn(&PlacedOrder) -> DateTime<Utc>| placed.iter().map(of).collect::<Vec<_>>();
    sqlx::query(
        "WITH placed AS (
             INSERT INTO orders (id, customer_id, status, step, version, items, total_minor, currency,
                                 payment_method, traceparent, created_at, updated_at, expires_at)
             SELECT id, customer_id, 'PENDING', 'CREATED', 1, items, total_minor, currency,
                    payment_method, traceparent, created_at, created_at, expires_at
             FROM UNNEST($1::uuid[], $2::uuid[], $3::jsonb[], $4::bigint[], $5::text[], $6::text[],
                         $7::text[], $8::timestamptz[], $9::timestamptz[])
                  AS row (id, customer_id, items, total_minor, currency, payment_method,
                          traceparent, created_at, expires_at)
             RETURNING id, version, step, created_at)
         INSERT INTO order_history (order_id, version, step, cause, recorded_at)
         SELECT id, version, step, $10, created_at FROM placed",
    )
    .bind(placed.iter().map(|p| p.order.id.as_uuid()).collect::<Vec<_>>())
    .bind(placed.iter().map(|p| p.order.customer.as_uuid()).collect::<Vec<_>>())
    .bind(placed.iter().map(|p| Json(items(&p.lines))).collect::<Vec<_>>())
    .bind(placed.iter().map(|p| p.order.total.minor).collect::<Vec<_>>())
    .bind(column(|p| p.order.total.currency.code()))
    .bind(placed.iter().map(|p| p.payment_method.as_deref()).collect::<Vec<_>>())
    .bind(placed.iter().map(|p| p.trace.to_string()).collect::<Vec<_>>())
    .bind(times(|p| p.created_at))
    .bind(times(|p| p.expires_at))
    .bind(PLACED)
    .execute(connection)
    .await?;
    Ok(())
}

/// Locks orders for this transaction, in the order of their ids. Ids nobody knows are left out.
pub async fn lock(
    connection: &mut PgConnection,
    ids: impl IntoIterator<Item = OrderId>,
) -> sqlx::Result<HashMap<OrderId, Order>> {
    let ids: Vec<_> = ids.into_iter().map(OrderId::as_uuid).collect();
    let rows: Vec<OrderRow> = sqlx::query_as(
        "SELECT id, customer_id, step, reason, version, total_minor, currency, updated_at
         FROM orders WHERE id = ANY($1) ORDER BY id FOR NO KEY UPDATE",
    )
    .bind(ids)
    .fetch_all(connection)
    .await?;
    rows.into_iter().map(|row| row.order().map(|order| (order.id, order))).collect()
}

/// Writes changes of locked orders to their history, and the last of each as where the order stands.
pub async fn write(connection: &mut PgConnection, changes: &[Change]) -> sqlx::Result<()> {
    let column = |of: fn(&Change) -> &'static str| changes.iter().map(of).collect::<Vec<_>>();
    sqlx::query(
        "WITH change AS (
             SELECT * FROM UNNEST($1::uuid[], $2::integer[], $3::text[], $4::text[], $5::text[],
                                  $6::text[], $7::uuid[], $8::timestamptz[])
                           AS row (order_id, version, status, step, reason, cause, event_id, at)),
         updated AS (
             UPDATE orders SET status = last.status, step = last.step, reason = last.reason,
                               version = last.version, updated_at = last.at
             FROM (SELECT DISTINCT ON (order_id) * FROM change ORDER BY order_id, version DESC) AS last
             WHERE orders.id = last.order_id)
         INSERT INTO order_history (order_id, version, step, reason, cause, event_id, recorded_at)
         SELECT order_id, version, step, reason, cause, event_id, at FROM change",
    )
    .bind(changes.iter().map(|c| c.order.id.as_uuid()).collect::<Vec<_>>())
    .bind(changes.iter().map(|c| c.order.version.cast_signed()).collect::<Vec<_>>())
    .bind(column(|c| c.order.state.status().as_str()))
    .bind(column(|c| c.order.state.step().as_str()))
    .bind(changes.iter().map(|c| c.order.state.reason()).collect::<Vec<_>>())
    .bind(column(|c| c.cause.as_str()))
    .bind(changes.iter().map(|c| c.event).collect::<Vec<_>>())
    .bind(changes.iter().map(|c| c.order.updated_at).collect::<Vec<_>>())
    .execute(connection)
    .await?;
    Ok(())
}

/// Locks one order for this transaction, with all that was ordered.
pub async fn lock_placed(
    connection: &mut PgConnection,
    id: OrderId,
) -> sqlx::Result<Option<PlacedOrder>> {
    let row: Option<PlacedRow> = sqlx::query_as(concat!(
        "SELECT ",
        placed_columns!(),
        " FROM orders WHERE id = $1 FOR NO KEY UPDATE"
    ))
    .bind(id.as_uuid())
    .fetch_optional(connection)
    .await?;
    row.map(PlacedRow::placed).transpose()
}

/// Orders with all that was ordered. Ids nobody knows are left out.
pub async fn find(
    executor: impl PgExecutor<'_>,
    ids: &[OrderId],
) -> sqlx::Result<Vec<PlacedOrder>> {
    let ids: Vec<_> = ids.iter().map(|id| id.as_uuid()).collect();
    let rows: Vec<PlacedRow> =
        sqlx::query_as(concat!("SELECT ", placed_columns!(), " FROM orders WHERE id = ANY($1)"))
            .bind(ids)
            .fetch_all(executor)
            .await?;
    rows.into_iter().map(PlacedRow::placed).collect()
}

/// A customer's orders, the newest first.
pub async fn list(
    executor: impl PgExecutor<'_>,
    listing: &Listing,
) -> sqlx::Result<Vec<PlacedOrder>> {
    let rows: Vec<PlacedRow> = sqlx::query_as(concat!(
        "SELECT ",
        placed_columns!(),
        " FROM orders
         WHERE customer_id = $1 AND id < $2 AND ($3::text IS NULL OR status = $3)
         ORDER BY id DESC LIMIT $4"
    ))
    .bind(listing.customer.as_uuid())
    .bind(listing.before.map_or(Uuid::max(), OrderId::as_uuid))
    .bind(listing.status.map(OrderStatus::as_str))
    .bind(i64::from(listing.limit))
    .fetch_all(executor)
    .await?;
    rows.into_iter().map(PlacedRow::placed).collect()
}

/// The history of an order, oldest first.
pub async fn history(executor: impl PgExecutor<'_>, id: OrderId) -> sqlx::Result<Vec<Entry>> {
    let rows: Vec<HistoryRow> = sqlx::query_as(
        "SELECT version, step, reason, cause, recorded_at FROM order_history
         WHERE order_id = $1 ORDER BY version",
    )
    .bind(id.as_uuid())
    .fetch_all(executor)
    .await?;
    rows.into_iter()
        .map(|row| {
            let state = state(&row.step, row.reason.as_deref())?;
            let version = row.version.cast_unsigned();
            Ok(Entry { version, state, cause: row.cause, at: row.recorded_at })
        })
        .collect()
}

impl OrderRow {
    fn order(self) -> sqlx::Result<Order> {
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
    fn placed(self) -> sqlx::Result<PlacedOrder> {
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

fn items(lines: &[PricedLine]) -> Vec<Item> {
    let item =
        |line: &PricedLine| Item { sku: line.sku.clone(), qty: line.qty, price: line.each.minor };
    lines.iter().map(item).collect()
}

/// The state that a row tells in two columns.
fn state(step: &str, reason: Option<&str>) -> sqlx::Result<State> {
    let step = step.parse().map_err(unreadable)?;
    State::from_parts(step, reason)
        .ok_or_else(|| unreadable(format!("the step {step} with the reason {reason:?}")))
}

fn unreadable(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> sqlx::Error {
    sqlx::Error::Decode(error.into())
}
