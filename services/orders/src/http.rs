//! The routes of orders. Handlers read the request, ask, and answer.

mod dto;
mod events;
#[cfg(test)]
mod properties;

use std::iter;
use std::time::Instant;

use axum::extract::State;
use axum::http::header::LOCATION;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use contracts::events::Role;
use contracts::ids::OrderId;
use messaging::Outbox;
use service_kit::http::{Json, Path, Problem, Query, Trace};
use service_kit::tokens::Caller;
use tokio_util::sync::CancellationToken;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use self::dto::{HistoryEntry, ListQuery, OrderBody, OrderHistory, OrderPage, PlaceOrder};
use crate::error::{IDEMPOTENCY_KEY, cannot_be_cancelled, unknown_order};
use crate::figures;
use crate::hub::Hub;
use crate::idempotency::{self, IdempotencyKey, RequestKey};
use crate::intake::Intake;
use crate::limit::Limit;
use crate::order::{Cause, decide};
use crate::placement::{NewOrder, PlacedOrder};
use crate::store::{self, Change, Listing};

const DEFAULT_LIMIT: u32 = 20;
const MAX_LIMIT: u32 = 100;

/// Tells that the answer is that of an earlier request with the same key.
const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// What the handlers stand on.
#[derive(Debug, Clone)]
pub struct App {
    /// How many of them a customer may place.
    pub limit: Limit,
    /// Places orders.
    pub intake: Intake,
    /// Where other transactions begin.
    pub outbox: Outbox,
    /// Tells customers what happens.
    pub hub: Hub,
    /// Ends the streams.
    pub shutdown: CancellationToken,
}

/// All routes.
pub fn routes(app: App) -> OpenApiRouter {
    OpenApiRouter::new()
        .routes(routes!(place, list))
        .routes(routes!(events::events))
        .routes(routes!(get))
        .routes(routes!(history))
        .routes(routes!(cancel))
        .with_state(app)
}

/// Places an order. It is accepted, not yet reserved or paid: follow it by its events.
///
/// With an Idempotency-Key the request can be repeated safely: the same key and body get the same
/// answer, with the header Idempotency-Replayed. A refused request leaves its key unused.
///
/// A customer may place so many orders in a minute, repeats included, and no more.
#[utoipa::path(
    post,
    path = "/api/orders",
    tag = "orders",
    params((
        "Idempotency-Key" = Option<String>, Header,
        description = "1 to 255 visible ASCII characters, unique among the caller's orders"
    )),
    request_body = PlaceOrder,
    responses(
        (
            status = 202, description = "The order is placed", body = OrderBody,
            headers(("Location", description = "Where the order is"))
        ),
        (status = 409, description = "A request with the same key is being worked on"),
        (status = 429, description = "The caller has placed too many orders")
    ),
    security(("bearer" = []), ("cookie" = []))
)]
async fn place(
    State(app): State<App>,
    caller: Caller,
    Trace(trace): Trace,
    headers: HeaderMap,
    Json(order): Json<PlaceOrder>,
) -> Result<Response, Problem> {
    let key = idempotency_key(&headers)?;
    order.validate()?;
    let key = match key {
        Some(key) => {
            let hash = idempotency::hash(&order).map_err(Problem::internal)?;
            Some(RequestKey { key, hash })
        }
        None => None,
    };
    let lines = order.lines();
    let payment_method = order.payment_method;
    let request = NewOrder { customer: caller.customer, lines, payment_method, key, trace };
    // A repeat counts as well: until it has been looked up, it is as much work as an order.
    app.limit.take(caller.customer, Instant::now())?;
    let placed = app.intake.place(request).await?;

    let location = format!("/api/orders/{}", placed.order.order.id);
    let body = Json(OrderBody::from(placed.order));
    let mut response = (StatusCode::ACCEPTED, [(LOCATION, location)], body).into_response();
    if placed.replayed {
        response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
    }
    Ok(response)
}

/// The caller's orders, the newest first.
#[utoipa::path(
    get,
    path = "/api/orders",
    tag = "orders",
    params(ListQuery),
    responses((status = 200, description = "A page of orders", body = OrderPage)),
    security(("bearer" = []), ("cookie" = []))
)]
async fn list(
    State(app): State<App>,
    caller: Caller,
    Query(query): Query<ListQuery>,
) -> Result<Json<OrderPage>, Problem> {
    let limit = query.limit.unwrap_or(DEFAULT_LIMIT);
    if !(1..=MAX_LIMIT).contains(&limit) {
        let detail = format!("The limit must be from 1 to {MAX_LIMIT}, not {limit}.");
        return Err(Problem::invalid_parameter("limit", detail));
    }
    let before = query.cursor.as_deref().map(cursor).transpose()?;
    let (customer, status) = (caller.customer, query.status);
    // One more than asked for tells whether there is another page.
    let listing = Listing { customer, status, before, limit: limit + 1 };
    let mut orders = store::list(app.outbox.pool(), &listing).await?;
    let full = orders.len() > limit as usize;
    orders.truncate(limit as usize);
    let last = orders.last().filter(|_| full);
    let next_cursor = last.map(|placed| placed.order.id.as_uuid().simple().to_string());
    Ok(Json(OrderPage { items: orders.into_iter().map(OrderBody::from).collect(), next_cursor }))
}

/// One order, for its customer and for admins.
#[utoipa::path(
    get,
    path = "/api/orders/{id}",
    tag = "orders",
    params(("id" = String, Path, description = "The order's id")),
    responses((status = 200, description = "The order", body = OrderBody)),
    security(("bearer" = []), ("cookie" = []))
)]
async fn get(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<OrderId>,
) -> Result<Json<OrderBody>, Problem> {
    Ok(Json(visible(&app, caller, id).await?.into()))
}

/// Every step of an order with its time and cause, for its customer and for admins.
#[utoipa::path(
    get,
    path = "/api/orders/{id}/history",
    tag = "orders",
    params(("id" = String, Path, description = "The order's id")),
    responses((status = 200, description = "The order's history", body = OrderHistory)),
    security(("bearer" = []), ("cookie" = []))
)]
async fn history(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<OrderId>,
) -> Result<Json<OrderHistory>, Problem> {
    visible(&app, caller, id).await?;
    let entries = store::history(app.outbox.pool(), id).await?;
    let items = entries.into_iter().map(HistoryEntry::from).collect();
    Ok(Json(OrderHistory { order_id: id, items }))
}

/// Cancels one of the caller's own orders, if it has not ended yet. Cancelling it again is no error.
#[utoipa::path(
    post,
    path = "/api/orders/{id}/cancel",
    tag = "orders",
    params(("id" = String, Path, description = "The order's id")),
    responses(
        (status = 200, description = "The cancelled order", body = OrderBody),
        (status = 409, description = "The order has ended otherwise")
    ),
    security(("bearer" = []), ("cookie" = []))
)]
async fn cancel(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<OrderId>,
) -> Result<Json<OrderBody>, Problem> {
    let mut tx = app.outbox.begin().await?;
    let found = store::lock_placed(tx.conn(), id).await?;
    let mut placed = found
        .filter(|placed| placed.order.customer == caller.customer)
        .ok_or_else(|| unknown_order(id))?;
    let (cause, trace) = (Cause::CustomerCancelled, placed.trace);
    let (order, news) = decide(placed.order, cause, tx.now(), trace.trace_id);
    placed.order = order;
    if let Some(news) = news {
        store::write(tx.conn(), &[Change { order, cause, event: None }]).await?;
        figures::changed(&mut tx, iter::once(&order));
        tx.publish(news, &trace).map_err(Problem::internal)?;
        tx.commit().await?;
    } else if !placed.is_cancelled_by_customer() {
        return Err(cannot_be_cancelled(&order));
    }
    Ok(Json(placed.into()))
}

/// An order that the caller may see.
async fn visible(app: &App, caller: Caller, id: OrderId) -> Result<PlacedOrder, Problem> {
    let found = store::find(app.outbox.pool(), &[id]).await?.pop();
    found
        .filter(|placed| placed.order.customer == caller.customer || caller.role == Role::Admin)
        .ok_or_else(|| unknown_order(id))
}

fn idempotency_key(headers: &HeaderMap) -> Result<Option<IdempotencyKey>, Problem> {
    let mut values = headers.get_all(IDEMPOTENCY_KEY).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    let key = value.to_str().ok().and_then(|text| text.parse().ok());
    match key {
        Some(key) if values.next().is_none() => Ok(Some(key)),
        _ => Err(Problem::invalid_parameter(
            IDEMPOTENCY_KEY,
            "Send the header Idempotency-Key once, with 1 to 255 visible ASCII characters.",
        )),
    }
}

/// Cursors are the id of the last order of the page before.
fn cursor(text: &str) -> Result<OrderId, Problem> {
    Uuid::try_parse(text).map(OrderId::from_uuid).map_err(|_| {
        Problem::invalid_parameter(
            "cursor",
            "The cursor must be the nextCursor of an earlier page, as it was given.",
        )
    })
}
