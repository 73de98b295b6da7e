//! Payments in Postgres.
//!
//! Whoever changes payments locks them first, in the order of their orders' ids.

mod row;

use std::time::Duration;

use contracts::ids::OrderId;
use messaging::HandlerError;
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

/// Leases up to `limit` payments that are due, the longest due first. They are due again when the
/// lease ends.
pub async fn claim(pool: &PgPool, limit: usize, lease: Duration) -> sqlx::Result<Vec<Payment>> {
    // Materialised, or the planner may run it more than once and claim more than it should.
    sqlx::query_as(concat!(
        "WITH due AS MATERIALIZED (
             SELECT order_id AS id FROM payments WHERE due_at <= now()
             ORDER BY due_at, order_id LIMIT $1 FOR UPDATE SKIP LOCKED)
         UPDATE payments
         SET due_at = now() + $2 * interval '1 millisecond', attempt = attempt + 1
         FROM due WHERE order_id = due.id RETURNING ",
        columns!()
    ))
    .bind(i64::try_from(limit).unwrap_or(i64::MAX))
    .bind(i64::try_from(lease.as_millis()).unwrap_or(i64::MAX))
    .fetch_all(pool)
    .await
}

/// Stores locked and new payments.
///
/// Where a concurrent transaction has stored a new one first, nothing may be committed: the error is
/// transient, and the next attempt finds that payment.
pub async fn save(connection: &mut PgConnection, changes: &[Change]) -> Result<(), HandlerError> {
    // What others have stored has another payment id: only a payment that was locked has the same.
    let statement = sqlx::query(concat!(
        "INSERT INTO payments AS stored (",
        columns!(),
        ") SELECT ",
        columns!(),
        " FROM UNNEST($1::uuid[], $2::uuid[], $3::uuid[], $4::bigint[], $5::text[], $6::text[],
                      $7::bool[], $8::text[], $9::text[], $10::timestamptz[], $11::int[],
                      $12::text[], $13::text[], $14::text[], $15::bigint[], $16::timestamptz[],
                      $17::timestamptz[]) AS new (",
        columns!(),
        ") ORDER BY order_id
         ON CONFLICT (order_id) DO UPDATE
         SET customer_id = excluded.customer_id, amount_minor = excluded.amount_minor,
             currency = excluded.currency, method = excluded.method,
             reserved = excluded.reserved, order_end = excluded.order_end,
             state = excluded.state, due_at = excluded.due_at, attempt = excluded.attempt,
             reference = excluded.reference, failure = excluded.failure,
             traceparent = excluded.traceparent, version = excluded.version,
             updated_at = excluded.updated_at
         WHERE stored.payment_id = excluded.payment_id"
    ));
    let saved = row::bind(statement, changes)?.execute(connection).await?;
    if saved.rows_affected() < changes.len() as u64 {
        return Err(HandlerError::Transient(Overtaken.into()));
    }
    Ok(())
}
