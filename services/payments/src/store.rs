//! Payments in Postgres.
//!
//! Whoever changes payments locks them first, in the order of their orders' ids.

mod row;

use std::time::Duration;

use contracts::ids::OrderId;
use messaging::{HandlerError, lease_end, reminders};
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

use crate::changes::Change;
use crate::payment::Payment;

/// A concurrent transaction has stored the payment first; the next attempt finds it.
#[derive(Debug, thiserror::Error)]
#[error("another transaction was first to hear of an order")]
struct Overtaken;

macro_rules! columns {
    () => {
        "order_id, payment_id, customer_id, amount_minor, currency, method, reserved, order_end, \
         state, due_at, attempt, reference, failure, traceparent, version, created_at, updated_at"
    };
}

/// The payments of those of these orders that were heard of, locked until the transaction's end.
pub async fn lock(connection: &mut PgConnection, orders: &[OrderId]) -> sqlx::Result<Vec<Payment>> {
    let ids: Vec<Uuid> = orders.iter().map(|order| order.as_uuid()).collect();
    sqlx::query_as(concat!(
        "SELECT ",
        columns!(),
        " FROM payments WHERE order_id = ANY($1) ORDER BY order_id FOR UPDATE"
    ))
    .bind(ids)
    .fetch_all(connection)
    .await
}

/// The payment of an order, if that was heard of.
pub async fn find(pool: &PgPool, order: OrderId) -> sqlx::Result<Option<Payment>> {
    sqlx::query_as(concat!("SELECT ", columns!(), " FROM payments WHERE order_id = $1"))
        .bind(order.as_uuid())
        .fetch_optional(pool)
        .await
}

/// Payments that were due, leased to whoever claimed them.
#[derive(Debug, Default)]
pub struct Claimed {
    /// They are due again when the lease ends.
    pub payments: Vec<Payment>,
    /// Whether there may be more.
    pub more: bool,
}

/// Leases up to `limit` payments that are due.
pub async fn claim(pool: &PgPool, limit: usize, lease: Duration) -> sqlx::Result<Claimed> {
    let mut tx = pool.begin().await?;
    let taken = reminders::take(&mut tx, limit).await?;
    if taken.is_empty() {
        return Ok(Claimed::default());
    }
    let until = lease_end(taken.now(), lease);
    let waiting = sqlx::query_as(
        "SELECT due_at, order_id FROM payments WHERE order_id = ANY($1) AND due_at IS NOT NULL",
    )
    .bind(taken.keys())
    .fetch_all(&mut *tx)
    .await?;
    let chosen = taken.choose(waiting);
    let payments: Vec<Payment> = sqlx::query_as(concat!(
        "WITH free AS MATERIALIZED (
             SELECT order_id AS id FROM payments WHERE order_id = ANY($1) AND due_at <= now()
             ORDER BY order_id FOR UPDATE SKIP LOCKED)
         UPDATE payments SET due_at = $2, attempt = attempt + 1
         FROM free WHERE order_id = free.id RETURNING ",
        columns!()
    ))
    .bind(&chosen.due)
    .bind(until)
    .fetch_all(&mut *tx)
    .await?;
    let more = chosen.more;
    let claimed: Vec<Uuid> = payments.iter().map(|payment| payment.order.as_uuid()).collect();
    chosen.remind(&mut tx, &claimed, Some(until)).await?;
    tx.commit().await?;
    Ok(Claimed { payments, more })
}

/// Stores locked and new payments, and when they are due.
///
/// Where a concurrent transaction has stored a new one first, nothing may be committed: the error is
/// transient, and the next attempt finds that payment.
pub async fn save(connection: &mut PgConnection, changes: &[Change]) -> Result<(), HandlerError> {
    let (new, known): (Vec<&Change>, Vec<&Change>) =
        changes.iter().partition(|change| change.is_new());
    if !new.is_empty() {
        let inserted = row::bind(sqlx::query(INSERT), &new)?.execute(&mut *connection).await?;
        if inserted.rows_affected() < new.len() as u64 {
            return Err(HandlerError::Transient(Overtaken.into()));
        }
    }
    if !known.is_empty() {
        row::bind(sqlx::query(UPDATE), &known)?.execute(&mut *connection).await?;
    }
    let due = changes.iter().map(|change| &change.payment);
    let due = due.filter_map(|payment| Some((payment.due_at?, payment.order.as_uuid())));
    Ok(reminders::remind(connection, due.collect()).await?)
}

/// Arrays of all columns, as `new`.
macro_rules! new {
    () => {
        "UNNEST($1::uuid[], $2::uuid[], $3::uuid[], $4::bigint[], $5::text[], $6::text[], $7::bool[],
                $8::text[], $9::text[], $10::timestamptz[], $11::int[], $12::text[], $13::text[],
                $14::text[], $15::bigint[], $16::timestamptz[], $17::timestamptz[])
         AS new (order_id, payment_id, customer_id, amount_minor, currency, method, reserved, order_end,
                 state, due_at, attempt, reference, failure, traceparent, version, created_at, updated_at)"
    };
}

const INSERT: &str = concat!(
    "INSERT INTO payments (",
    columns!(),
    ") SELECT ",
    columns!(),
    " FROM ",
    new!(),
    " ORDER BY order_id ON CONFLICT (order_id) DO NOTHING"
);

/// Of locked rows. The bill is among what changes: the order itself may be heard of last.
const UPDATE: &str = concat!(
    "UPDATE payments
     SET customer_id = new.customer_id, amount_minor = new.amount_minor, currency = new.currency,
         method = new.method, reserved = new.reserved, order_end = new.order_end, state = new.state,
         due_at = new.due_at, attempt = new.attempt, reference = new.reference, failure = new.failure,
         traceparent = new.traceparent, version = new.version, updated_at = new.updated_at
     FROM ",
    new!(),
    " WHERE payments.order_id = new.order_id"
);
