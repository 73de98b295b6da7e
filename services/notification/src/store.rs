//! Recipients and notifications in Postgres.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use chrono::{DateTime, Utc};
use contracts::ids::CustomerId;
use messaging::{lease_end, reminders};
use sqlx::{FromRow, PgConnection, PgPool};
use uuid::Uuid;

use crate::cursor::Cursor;
use crate::delivery::Next;
use crate::notice::Notice;

/// A notification to be sent now, leased to this replica's sender.
#[derive(Debug, FromRow)]
pub struct Due {
    pub order_id: Uuid,
    pub kind: String,
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

/// What became of a leased notification.
#[derive(Debug, Clone)]
pub struct Settled {
    pub order_id: Uuid,
    pub kind: String,
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

/// A notification as it is queued.
#[derive(Debug)]
pub struct Queued<'n> {
    pub notice: &'n Notice,
    /// Whether it is leased to this replica's sender, so that nobody else takes it meanwhile.
    pub leased: bool,
}

/// Queues notifications and returns those that were leased; one of an order and kind that is known is left
/// alone. `now` is the time of the transaction.
pub async fn insert(
    connection: &mut PgConnection,
    queued: &[Queued<'_>],
    now: DateTime<Utc>,
    lease: Duration,
) -> sqlx::Result<Vec<Due>> {
    let each =
        |of: fn(&Notice) -> &str| queued.iter().map(|queued| of(queued.notice)).collect::<Vec<_>>();
    let customers = queued.iter().map(|queued| queued.notice.customer.map(CustomerId::as_uuid));
    let leased_until = lease_end(now, lease);
    let until = |queued: &Queued<'_>| if queued.leased { leased_until } else { now };
    let ids: Vec<Uuid> = queued.iter().map(|_| Uuid::now_v7()).collect();
    let new: Vec<Uuid> = sqlx::query_scalar(
        "INSERT INTO notifications (id, order_id, customer_id, kind, subject, body, next_attempt_at, created_at)
         SELECT id, order_id, customer_id, kind, subject, body, next_attempt_at, $8
         FROM UNNEST($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::text[], $6::text[],
                     $7::timestamptz[])
                  AS new (id, order_id, customer_id, kind, subject, body, next_attempt_at)
         ORDER BY order_id, kind
         ON CONFLICT (order_id, kind) DO NOTHING
         RETURNING id",
    )
    .bind(&ids)
    .bind(queued.iter().map(|queued| queued.notice.order.as_uuid()).collect::<Vec<_>>())
    .bind(customers.collect::<Vec<_>>())
    .bind(each(|notice| notice.kind.as_str()))
    .bind(each(|notice| &notice.subject))
    .bind(each(|notice| &notice.body))
    .bind(queued.iter().map(until).collect::<Vec<_>>())
    .bind(now)
    .fetch_all(&mut *connection)
    .await?;
    let due = queued.iter().map(|queued| (until(queued), queued.notice.order.as_uuid()));
    reminders::remind(connection, due.collect()).await?;

    let new: HashSet<Uuid> = new.into_iter().collect();
    let leased = ids.into_iter().zip(queued);
    let leased: Vec<(Uuid, &Notice)> = leased
        .filter(|(id, queued)| queued.leased && new.contains(id))
        .map(|(id, queued)| (id, queued.notice))
        .collect();
    let emails =
        emails(connection, leased.iter().filter_map(|(_, notice)| notice.customer)).await?;
    let due = |(id, notice): (Uuid, &Notice)| Due {
        order_id: notice.order.as_uuid(),
        kind: notice.kind.as_str().to_owned(),
        id,
        subject: notice.subject.clone(),
        body: notice.body.clone(),
        attempts: 0,
        created_at: now,
        email: notice.customer.and_then(|customer| emails.get(&customer.as_uuid()).cloned()),
        now,
    };
    Ok(leased.into_iter().map(due).collect())
}

/// Where mail reaches customers, as far as it is known.
async fn emails(
    connection: &mut PgConnection,
    customers: impl Iterator<Item = CustomerId>,
) -> sqlx::Result<HashMap<Uuid, String>> {
    let customers: HashSet<Uuid> = customers.map(CustomerId::as_uuid).collect();
    if customers.is_empty() {
        return Ok(HashMap::new());
    }
    let emails: Vec<(Uuid, String)> =
        sqlx::query_as("SELECT customer_id, email FROM recipients WHERE customer_id = ANY($1)")
            .bind(customers.into_iter().collect::<Vec<_>>())
            .fetch_all(connection)
            .await?;
    Ok(emails.into_iter().collect())
}

/// Notifications that were due, leased to whoever claimed them.
#[derive(Debug, Default)]
pub struct Claimed {
    /// They are due again when the lease ends.
    pub due: Vec<Due>,
    /// Whether there may be more.
    pub more: bool,
}

/// Leases notifications that are due, which nobody else then takes. An event that did not name the customer
/// gets them from another one of its order, once there is one.
pub async fn claim(pool: &PgPool, limit: usize, lease: Duration) -> sqlx::Result<Claimed> {
    let mut tx = pool.begin().await?;
    let taken = reminders::take(&mut tx, limit).await?;
    if taken.is_empty() {
        return Ok(Claimed::default());
    }
    let until = lease_end(taken.now(), lease);
    let waiting = sqlx::query_as(
        "SELECT next_attempt_at, order_id FROM notifications
         WHERE order_id = ANY($1) AND status = 'QUEUED'",
    )
    .bind(taken.keys())
    .fetch_all(&mut *tx)
    .await?;
    let chosen = taken.choose(waiting);
    // Of an order that has more than one of them, all are looked for; what is behind the limit waits.
    let claimed: Vec<Due> = sqlx::query_as(
        "WITH free AS MATERIALIZED (
             SELECT order_id, kind FROM notifications
             WHERE order_id = ANY($1) AND status = 'QUEUED' AND next_attempt_at <= now()
             ORDER BY order_id, kind LIMIT $2 FOR UPDATE SKIP LOCKED
         ), claimed AS (
             UPDATE notifications n
             SET next_attempt_at = $3,
                 customer_id = coalesce(n.customer_id,
                     (SELECT other.customer_id FROM notifications other
                      WHERE other.order_id = n.order_id AND other.customer_id IS NOT NULL LIMIT 1))
             FROM free WHERE n.order_id = free.order_id AND n.kind = free.kind
             RETURNING n.*
         )
         SELECT order_id, kind, id, subject, body, attempts, created_at, now() AS now,
                (SELECT email FROM recipients r WHERE r.customer_id = claimed.customer_id) AS email
         FROM claimed",
    )
    .bind(&chosen.due)
    .bind(i64::try_from(limit).unwrap_or(i64::MAX))
    .bind(until)
    .fetch_all(&mut *tx)
    .await?;
    let more = chosen.more;
    let orders: Vec<Uuid> = claimed.iter().map(|due| due.order_id).collect();
    chosen.remind(&mut tx, &orders, Some(until)).await?;
    tx.commit().await?;
    Ok(Claimed { due: claimed, more })
}

/// Records what became of leased notifications.
pub async fn settle(pool: &PgPool, settled: &[Settled]) -> sqlx::Result<()> {
    let (statuses, waits): (Vec<_>, Vec<_>) = settled
        .iter()
        .map(|settled| match settled.next {
            Next::Sent => ("SENT", 0.0),
            Next::GivenUp => ("FAILED", 0.0),
            Next::Again(wait) => ("QUEUED", wait.as_secs_f64()),
        })
        .unzip();
    let mut tx = pool.begin().await?;
    let again: Vec<(DateTime<Utc>, Uuid)> = sqlx::query_as(
        "WITH settled AS (
             UPDATE notifications n
             SET status = s.status, attempts = s.attempts,
                 next_attempt_at = now() + make_interval(secs => s.wait),
                 sent_at = CASE s.status WHEN 'SENT' THEN now() END
             FROM UNNEST($1::uuid[], $2::text[], $3::integer[], $4::text[], $5::float8[])
                      AS s (order_id, kind, attempts, status, wait)
             WHERE n.order_id = s.order_id AND n.kind = s.kind AND n.sent_at IS NULL
             RETURNING n.next_attempt_at, n.order_id, n.status)
         SELECT next_attempt_at, order_id FROM settled WHERE status = 'QUEUED'",
    )
    .bind(settled.iter().map(|settled| settled.order_id).collect::<Vec<_>>())
    .bind(settled.iter().map(|settled| settled.kind.as_str()).collect::<Vec<_>>())
    .bind(settled.iter().map(|settled| settled.attempts).collect::<Vec<_>>())
    .bind(statuses)
    .bind(waits)
    .fetch_all(&mut *tx)
    .await?;
    reminders::remind(&mut tx, again).await?;
    tx.commit().await
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
