//! What a customer who watches has to be told from the database.
//!
//! Both looks walk the customer's orders by the index that lists them, a page at a time. The history has
//! no index of its own for it: an index more would cost every change of every order, a longer walk only
//! those who come back.

use chrono::{DateTime, Utc};
use contracts::ids::{CustomerId, OrderId};
use sqlx::{FromRow, PgPool};
use uuid::Uuid;

use super::rows::state;
use crate::hub::Update;

/// A page of a customer's orders, in the order of their ids.
#[derive(Debug, Clone, Copy)]
pub struct Watch {
    /// Whose.
    pub customer: CustomerId,
    /// The last order of the page before; nil for the first page.
    pub after: Uuid,
    /// Orders on the page.
    pub limit: u32,
}

/// What a page of orders tells.
#[derive(Debug)]
pub struct Told {
    /// By order and version.
    pub updates: Vec<Update>,
    /// How many orders they are about; fewer than the limit on the last page.
    pub orders: u32,
}

#[derive(FromRow)]
struct Row {
    order_id: Uuid,
    step: String,
    reason: Option<String>,
    version: i32,
    at: DateTime<Utc>,
}

/// The database's clock.
pub async fn now(pool: &PgPool) -> sqlx::Result<DateTime<Utc>> {
    sqlx::query_scalar("SELECT now()").fetch_one(pool).await
}

/// Open orders as they stand.
pub async fn open_orders(pool: &PgPool, watch: Watch) -> sqlx::Result<Told> {
    let rows: Vec<Row> = sqlx::query_as(
        "SELECT id AS order_id, step, reason, version, updated_at AS at
         FROM orders WHERE customer_id = $1 AND id > $2 AND status = 'PENDING'
         ORDER BY id LIMIT $3",
    )
    .bind(watch.customer.as_uuid())
    .bind(watch.after)
    .bind(i64::from(watch.limit))
    .fetch_all(pool)
    .await?;
    told(rows)
}

/// Every change recorded since a time, and open orders as they stand.
pub async fn changes_since(
    pool: &PgPool,
    watch: Watch,
    since: DateTime<Utc>,
) -> sqlx::Result<Told> {
    let rows: Vec<Row> = sqlx::query_as(
        "SELECT changed.id AS order_id, step, reason, version, at
         FROM (SELECT id, version AS current FROM orders
               WHERE customer_id = $1 AND id > $2 AND (updated_at >= $4 OR status = 'PENDING')
               ORDER BY id LIMIT $3) AS changed
         CROSS JOIN LATERAL (
             SELECT step, reason, version, recorded_at AS at FROM order_history
             WHERE order_id = changed.id AND (recorded_at >= $4 OR version = current)
             -- Keeps the planner from reading the history of everybody into a hash.
             OFFSET 0) AS entry
         ORDER BY order_id, version",
    )
    .bind(watch.customer.as_uuid())
    .bind(watch.after)
    .bind(i64::from(watch.limit))
    .bind(since)
    .fetch_all(pool)
    .await?;
    told(rows)
}

fn told(rows: Vec<Row>) -> sqlx::Result<Told> {
    let (mut orders, mut last) = (0, None);
    let mut updates = Vec::with_capacity(rows.len());
    for row in rows {
        if last.replace(row.order_id) != Some(row.order_id) {
            orders += 1;
        }
        updates.push(Update {
            order: OrderId::from_uuid(row.order_id),
            state: state(&row.step, row.reason.as_deref())?,
            version: row.version.cast_unsigned(),
            at: row.at,
        });
    }
    Ok(Told { updates, orders })
}
