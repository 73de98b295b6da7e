//! What was sent to whom, over HTTP: to each their own.

use axum::extract::State;
use chrono::{DateTime, Utc};
use contracts::ids::OrderId;
use serde::{Deserialize, Serialize};
use service_kit::http::{Json, Problem, Query};
use service_kit::tokens::Caller;
use sqlx::PgPool;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::cursor::Cursor;
use crate::store::{self, Shown};

const DEFAULT_LIMIT: u32 = 20;
const MAX_LIMIT: u32 = 100;

/// The routes of this service.
pub fn routes(pool: PgPool) -> OpenApiRouter {
    OpenApiRouter::new().routes(routes!(list_notifications)).with_state(pool)
}

/// Which notifications to list.
#[derive(Deserialize, IntoParams)]
struct ListQuery {
    /// The most notifications on the page: 1 to 100, 20 if not given
    #[param(minimum = 1, maximum = 100)]
    limit: Option<u32>,
    /// `nextCursor` of the page before
    cursor: Option<String>,
}

/// A page of notifications.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Page {
    items: Vec<NotificationBody>,
    /// Asks for the next page; not there on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

/// A notification.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct NotificationBody {
    id: Uuid,
    /// What it is about.
    #[schema(value_type = String)]
    order_id: OrderId,
    /// `ORDER_RECEIVED`, `ORDER_COMPLETED`, `ORDER_FAILED`, `ORDER_CANCELLED` or `ORDER_EXPIRED`.
    kind: String,
    subject: String,
    /// `QUEUED`, `SENT`, or `FAILED` where it was given up.
    status: String,
    created_at: DateTime<Utc>,
    /// Only where it was sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    sent_at: Option<DateTime<Utc>>,
}

/// Lists the caller's own notifications, newest first.
#[utoipa::path(
    get,
    path = "/api/notifications",
    responses((status = 200, body = Page)),
    security(("bearer" = []), ("cookie" = [])),
)]
async fn list_notifications(
    State(pool): State<PgPool>,
    caller: Caller,
    Query(query): Query<ListQuery>,
) -> Result<Json<Page>, Problem> {
    let limit = query.limit.unwrap_or(DEFAULT_LIMIT);
    if !(1..=MAX_LIMIT).contains(&limit) {
        let detail = format!("The parameter limit must be from 1 to {MAX_LIMIT}.");
        return Err(Problem::invalid_parameter("limit", detail));
    }
    let after = query.cursor.map(|text| Cursor::parse(&text).ok_or_else(unknown_cursor));
    // One more tells whether there is a next page.
    let found =
        store::page(&pool, caller.customer, after.transpose()?, i64::from(limit) + 1).await?;
    Ok(Json(Page::of(found, limit)))
}

fn unknown_cursor() -> Problem {
    let detail = "The parameter cursor must be the nextCursor of a page before.";
    Problem::invalid_parameter("cursor", detail)
}

impl Page {
    fn of(mut found: Vec<Shown>, limit: u32) -> Self {
        let fits = usize::try_from(limit).unwrap_or(usize::MAX);
        let more = found.len() > fits;
        found.truncate(fits);
        let last = found.last().filter(|_| more);
        let next_cursor =
            last.map(|shown| Cursor { created_at: shown.created_at, id: shown.id }.to_string());
        Self { items: found.into_iter().map(NotificationBody::from).collect(), next_cursor }
    }
}

impl From<Shown> for NotificationBody {
    fn from(shown: Shown) -> Self {
        Self {
            id: shown.id,
            order_id: OrderId::from_uuid(shown.order_id),
            kind: shown.kind,
            subject: shown.subject,
            status: shown.status,
            created_at: shown.created_at,
            sent_at: shown.sent_at,
        }
    }
}
