//! Orders and their history in Postgres.

mod rows;
mod watch;

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, Utc};
use contracts::events::OrderStatus;
use contracts::ids::{CustomerId, OrderId};
use sqlx::types::Json;
use sqlx::{PgConnection, PgExecutor};
use uuid::Uuid;

use crate::order::{Cause, Order, State};
use crate::placement::PlacedOrder;

use rows::{HistoryRow, OrderRow, PlacedRow, items};

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
    fn column<T>(changes: &[&Change], of: fn(&Change) -> T) -> Vec<T> {
        changes.iter().map(|change| of(change)).collect()
    }
    let all: Vec<&Change> = changes.iter().collect();
    let last: BTreeMap<OrderId, &Change> =
        changes.iter().map(|change| (change.order.id, change)).collect();
    let last: Vec<&Change> = last.into_values().collect();
    sqlx::query(
        "WITH updated AS (
             UPDATE orders SET status = last.status, step = last.step, reason = last.reason,
                               version = last.version, updated_at = last.at
             FROM UNNEST($1::uuid[], $2::integer[], $3::text[], $4::text[], $5::text[], $6::timestamptz[])
                      AS last (order_id, version, status, step, reason, at)
             WHERE orders.id = last.order_id)
         INSERT INTO order_history (order_id, version, step, reason, cause, event_id, recorded_at)
         SELECT * FROM UNNEST($7::uuid[], $8::integer[], $9::text[], $10::text[], $11::text[], $12::uuid[],
                              $13::timestamptz[])",
    )
    .bind(column(&last, |c| c.order.id.as_uuid()))
    .bind(column(&last, |c| c.order.version.cast_signed()))
    .bind(column(&last, |c| c.order.state.status().as_str()))
    .bind(column(&last, |c| c.order.state.step().as_str()))
    .bind(column(&last, |c| c.order.state.reason()))
    .bind(column(&last, |c| c.order.updated_at))
    .bind(column(&all, |c| c.order.id.as_uuid()))
    .bind(column(&all, |c| c.order.version.cast_signed()))
    .bind(column(&all, |c| c.order.state.step().as_str()))
    .bind(column(&all, |c| c.order.state.reason()))
    .bind(column(&all, |c| c.cause.as_str()))
    .bind(column(&all, |c| c.event))
    .bind(column(&all, |c| c.order.updated_at))
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
    rows.into_iter().map(HistoryRow::entry).collect()
}
