//! Recipients and notifications in Postgres.

use std::time::Duration;

use chrono::{DateTime, Utc};
use contracts::ids::CustomerId;
use sqlx::{FromRow, PgConnection, PgPool};
use uuid::Uuid;

use crate::cursor::Cursor;
use crate::delivery::Next;
use crate::notice::Notice;

/// A notification to be sent now, claimed by this worker.
#[derive(Debug, FromRow)]
pub struct Due {
    pub id: Uuid,
    pub subject: String,
    pub body: String,
    pub attempts: i32,
    pub created_at: DateTime<Utc>,
    /// The customer's address, if it is known.
    pub email: Option<String>,
    /// The database's time.
    pub now: DateTime<Utc>,
}

/// What became of a claimed notification.
#[derive(Debug, Clone, Copy)]
pub struct Settled {
    pub id: Uuid,
    pub attempts: i32,
    pub next: Next,
}

/// A notification as its customer sees it.
#[derive(Debug, FromRow)]
pub struct Shown {
    pub id: Uuid,
    pub order_id: Uuid,
    pub kind: String,
    pub subject: String,
    pub status: String,
    pub created_at: DateTime<Utc>,
    pub sent_at: Option<DateTime<Utc>>,
}

/// Keeps where mail reaches customers. An address once known stays.
pub async fn insert_recipients(
    connection: &mut PgConnection,
    recipients: &[(CustomerId, &str)],
) -> sqlx::Result<()> {
    let (customers, emails): (Vec<_>, Vec<_>) =
        recipients.iter().map(|(customer, email)| (customer.as_uuid(), *email)).unzip();
    sqlx::query(
        "INSERT INTO recipients (customer_id, email)
         SELECT * FROM UNNEST($1::uuid[], $2::text[]) AS new (customer_id) ORDER BY customer_id
         ON CONFLICT DO NOTHING",
    )
    .bind(customers)
    .bind(emails)
    .execute(connection)
    .await?;
    Ok(())
}

/// Queues notifications; one of an order and kind that is known is left alone.
pub async fn insert(connection: &mut PgConnection, notices: &[Notice]) -> sqlx::Result<()> {
    let each = |of: fn(&Notice) -> &str| notices.iter().map(of).collect::<Vec<_>>();
    sqlx::query(
        "INSERT INTO notifications (id, order_id, customer_id, kind, subject, body)
         SELECT * FROM UNNEST($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::text[], $6::text[])
                  AS new (id, order_id, customer_id, kind)
         ORDER BY order_id, kind
         ON CONFLICT (order_id, kind) DO NOTHING",
    )
    .bind(notices.iter().map(|_| Uuid::now_v7()).collect::<Vec<_>>())
    .bind(notices.iter().map(|notice| notice.order.as_uuid()).collect::<Vec<_>>())
    .bind(
        notices
            .iter()
            .map(|notice| notice.customer.map(CustomerId::as_uuid))
            .collect::<Vec<_>>(),
    )
    .bind(each(|notice| notice.kind.as_str()))
    .bind(each(|notice| &notice.subject))
    .bind(each(|notice| &notice.body))
    .execute(connection)
    .await?;
    Ok(())
}

/// Takes notifications that are due, which nobody else then takes for the time of the lease. An event
/// that did not name the customer gets them from another one of its order, once there is one.
pub async fn claim(pool: &PgPool, limit: u32, lease: Duration) -> sqlx::Result<Vec<Due>> {
    sqlx::query_as(
        "WITH due AS (
             SELECT id FROM notifications
             WHERE status = 'QUEUED' AND next_attempt_at <= now()
             ORDER BY next_attempt_at LIMIT $1 FOR UPDATE SKIP LOCKED
         ), claimed AS (
             UPDATE notifications n
             SET next_attempt_at = now() + make_interval(secs => $2),
                 customer_id = coalesce(n.customer_id,
                     (SELECT other.customer_id FROM notifications other
                      WHERE other.order_id = n.order_id AND other.customer_id IS NOT NULL LIMIT 1))
             FROM due WHERE n.id = due.id
             RETURNING n.id, n.customer_id, n.subject, n.body, n.attempts, n.created_at
         )
         SELECT claimed.*, r.email, now() AS now
         FROM claimed LEFT JOIN recipients r ON r.customer_id = claimed.customer_id",
    )
    .bind(i64::from(limit))
    .bind(lease.as_secs_f64())
    .fetch_all(pool)
    .await
}

/// Records what became of claimed notifications.
pub async fn settle(pool: &PgPool, settled: &[Settled]) -> sqlx::Result<()> {
    let (statuses, waits): (Vec<_>, Vec<_>) = settled
        .iter()
        .map(|settled| match settled.next {
            Next::Sent => ("SENT", 0.0),
            Next::GivenUp => ("FAILED", 0.0),
            Next::Again(wait) => ("QUEUED", wait.as_secs_f64()),
        })
        .unzip();
    sqlx::query(
        "WITH settled AS (
             SELECT * FROM UNNEST($1::uuid[], $2::integer[], $3::text[], $4::float8[])
                      AS s (id, attempts, status, wait)
         ), locked AS (
             SELECT id FROM notifications
             WHERE id = ANY ($1) AND status = 'QUEUED' ORDER BY id FOR UPDATE
         )
         UPDATE notifications n
         SET status = s.status, attempts = s.attempts,
             next_attempt_at = now() + make_interval(secs => s.wait),
             sent_at = CASE s.status WHEN 'SENT' THEN now() END
         FROM settled s JOIN locked USING (id) WHERE n.id = s.id",
    )
    .bind(settled.iter().map(|settled| settled.id).collect::<Vec<_>>())
    .bind(settled.iter().map(|settled| settled.attempts).collect::<Vec<_>>())
    .bind(statuses)
    .bind(waits)
    .execute(pool)
    .await?;
    Ok(())
}

/// A customer's notifications, newest first, behind the cursor.
pub async fn page(
    pool: &PgPool,
    customer: CustomerId,
    after: Option<Cursor>,
    limit: i64,
) -> sqlx::Result<Vec<Shown>> {
    // Postgres has no time after infinity.
    let sql = "SELECT id, order_id, kind, subject, status, created_at, sent_at FROM notifications
         WHERE customer_id = $1 AND (created_at, id) < (coalesce($2, 'infinity'), coalesce($3, $4))
         ORDER BY created_at DESC, id DESC LIMIT $5";
    sqlx::query_as(sql)
        .bind(customer.as_uuid())
        .bind(after.map(|after| after.created_at))
        .bind(after.map(|after| after.id))
        .bind(Uuid::max())
        .bind(limit)
        .fetch_all(pool)
        .await
}
