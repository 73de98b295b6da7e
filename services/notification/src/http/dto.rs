//! What goes over the wire.

use chrono::{DateTime, Utc};
use contracts::ids::OrderId;
use serde::{Deserialize, Serialize};
use service_kit::http::Problem;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::cursor::Cursor;
use crate::store::Shown;

const DEFAULT_LIMIT: u32 = 20;
const MAX_LIMIT: u32 = 100;

/// Which notifications to list.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ListQuery {
    /// The most notifications on the page: 1 to 100, 20 if not given
    #[param(minimum = 1, maximum = 100)]
    limit: Option<u32>,
    /// `nextCursor` of the page before
    cursor: Option<String>,
}

impl ListQuery {
    /// How many notifications the page takes.
    pub fn limit(&self) -> Result<u32, Problem> {
        let limit = self.limit.unwrap_or(DEFAULT_LIMIT);
        if (1..=MAX_LIMIT).contains(&limit) {
            return Ok(limit);
        }
        let detail = format!("The parameter limit must be from 1 to {MAX_LIMIT}.");
        Err(Problem::invalid_parameter("limit", detail))
    }

    /// Where the page before ended.
    pub fn after(&self) -> Result<Option<Cursor>, Problem> {
        let Some(text) = &self.cursor else { return Ok(None) };
        Cursor::parse(text).map(Some).ok_or_else(|| {
            Problem::invalid_parameter(
                "cursor",
                "The parameter cursor must be the nextCursor of a page before.",
            )
        })
    }
}

/// A page of notifications.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Page {
    items: Vec<NotificationBody>,
    /// Asks for the next page; not there on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

/// A notification.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct NotificationBody {
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

impl Page {
    /// `found` may hold one more than the page takes, which tells that there is a next page.
    pub fn of(mut found: Vec<Shown>, limit: u32) -> Self {
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
