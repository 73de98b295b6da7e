//! What was sent to whom, over HTTP: to each their own.

mod dto;

use axum::extract::State;
use service_kit::http::{Json, Problem, Query};
use service_kit::tokens::Caller;
use sqlx::PgPool;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use self::dto::{ListQuery, Page};
use crate::store;

/// The routes of this service.
pub fn routes(pool: PgPool) -> OpenApiRouter {
    OpenApiRouter::new().routes(routes!(list_notifications)).with_state(pool)
}

/// Lists the caller's own notifications, newest first.
#[utoipa::path(
    get,
    path = "/api/notifications",
    params(ListQuery),
    responses((status = 200, body = Page)),
    security(("bearer" = []), ("cookie" = [])),
)]
async fn list_notifications(
    State(pool): State<PgPool>,
    caller: Caller,
    Query(query): Query<ListQuery>,
) -> Result<Json<Page>, Problem> {
    let (limit, after) = (query.limit()?, query.after()?);
    // One more tells whether there is a next page.
    let found = store::page(&pool, caller.customer, after, i64::from(limit) + 1).await?;
    Ok(Json(Page::of(found, limit)))
}
