//! The catalogue over HTTP.

mod dto;

use axum::extract::State;
use axum::http::header::{ETAG, LOCATION};
use axum::http::{HeaderMap, StatusCode};
use axum::response::IntoResponse;
use contracts::ids::Sku;
use contracts::trace::TraceContext;
use messaging::Outbox;
use service_kit::http::{
    Expected, Json, Path, Problem, Query, Trace, etag, if_match, required_if_match,
};
use service_kit::tokens::Admin;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub use self::dto::ProductDraft;
use self::dto::{ListQuery, Page, ProductBody, ProductChanges};
use crate::error;
use crate::product::{Command, Outcome, Refusal, decide};
use crate::store::{self, Listed};

/// The routes of this service.
pub fn routes(outbox: Outbox) -> OpenApiRouter {
    OpenApiRouter::new()
        .routes(routes!(list_products, create_product))
        .routes(routes!(get_product, change_product, discontinue_product))
        .with_state(outbox)
}

/// Lists products that can be ordered, by SKU.
#[utoipa::path(
    get,
    path = "/api/products",
    params(ListQuery),
    responses((status = 200, body = Page)),
)]
async fn list_products(
    State(outbox): State<Outbox>,
    Query(query): Query<ListQuery>,
) -> Result<Json<Page>, Problem> {
    let search = query.search()?;
    let found = store::search(outbox.pool(), &search).await?;
    Ok(Json(Page::of(found, search.limit)))
}

/// One product, also when it is discontinued.
#[utoipa::path(
    get,
    path = "/api/products/{sku}",
    params(("sku" = String, Path, description = "The product's SKU")),
    responses((status = 200, body = ProductBody)),
)]
async fn get_product(
    State(outbox): State<Outbox>,
    Path(sku): Path<Sku>,
) -> Result<impl IntoResponse, Problem> {
    let found = store::find(outbox.pool(), &sku).await?.ok_or_else(error::unknown)?;
    Ok(shown(found))
}

/// Puts a product into the catalogue.
#[utoipa::path(
    post,
    path = "/api/products",
    request_body = ProductDraft,
    responses(
        (status = 201, body = ProductBody),
        (status = 409, description = "There is a product of this SKU"),
    ),
    security(("bearer" = ["admin"]), ("cookie" = ["admin"])),
)]
async fn create_product(
    State(outbox): State<Outbox>,
    _admin: Admin,
    Trace(trace): Trace,
    Json(draft): Json<ProductDraft>,
) -> Result<impl IntoResponse, Problem> {
    let sku = draft.sku.clone();
    let created = carry_out(&outbox, &sku, Command::Create(draft.into()), trace).await?;
    Ok((StatusCode::CREATED, [(LOCATION, format!("/api/products/{sku}"))], shown(created)))
}

/// Changes a product that is still what `If-Match` says.
#[utoipa::path(
    patch,
    path = "/api/products/{sku}",
    params(
        ("sku" = String, Path, description = "The product's SKU"),
        ("If-Match" = String, Header, description = "The product's ETag, or *"),
    ),
    request_body = ProductChanges,
    responses(
        (status = 200, body = ProductBody),
        (status = 409, description = "The product is discontinued"),
        (status = 412, description = "The product has changed meanwhile"),
        (status = 428, description = "Without If-Match"),
    ),
    security(("bearer" = ["admin"]), ("cookie" = ["admin"])),
)]
async fn change_product(
    State(outbox): State<Outbox>,
    _admin: Admin,
    Path(sku): Path<Sku>,
    Trace(trace): Trace,
    headers: HeaderMap,
    Json(changes): Json<ProductChanges>,
) -> Result<impl IntoResponse, Problem> {
    let expected = required_if_match(&headers)?;
    let command = Command::Change(changes.into(), expected);
    carry_out(&outbox, &sku, command, trace).await.map(shown)
}

/// Takes a product off the shelves for ever. It is no error to do it again.
#[utoipa::path(
    delete,
    path = "/api/products/{sku}",
    params(
        ("sku" = String, Path, description = "The product's SKU"),
        ("If-Match" = Option<String>, Header, description = "The product's ETag, or *"),
    ),
    responses(
        (status = 204, description = "It cannot be ordered any more"),
        (status = 412, description = "The product has changed meanwhile"),
    ),
    security(("bearer" = ["admin"]), ("cookie" = ["admin"])),
)]
async fn discontinue_product(
    State(outbox): State<Outbox>,
    _admin: Admin,
    Path(sku): Path<Sku>,
    Trace(trace): Trace,
    headers: HeaderMap,
) -> Result<StatusCode, Problem> {
    let expected = if_match(&headers)?.unwrap_or(Expected::Any);
    carry_out(&outbox, &sku, Command::Discontinue(expected), trace).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Decides a command on the locked product, and keeps and publishes what comes of it.
async fn carry_out(
    outbox: &Outbox,
    sku: &Sku,
    command: Command,
    trace: TraceContext,
) -> Result<Listed, Problem> {
    let mut tx = outbox.begin().await?;
    let state = store::lock(tx.conn(), sku).await?;
    let outcome = decide(state, command, tx.now())?;
    match &outcome {
        Outcome::Created(product) => {
            let inserted = store::insert(tx.conn(), std::slice::from_ref(product)).await?;
            // Another request of the same SKU was first after all.
            if inserted.is_empty() {
                return Err(Refusal::Taken.into());
            }
        }
        Outcome::Changed(product) | Outcome::Discontinued(product) => {
            store::update(tx.conn(), product).await?;
        }
        Outcome::Unchanged(_) => {}
    }
    if let Some(event) = outcome.event(trace.trace_id) {
        tx.publish(event, &trace).map_err(Problem::internal)?;
    }
    let available = store::available(tx.conn(), sku).await?;
    tx.commit().await?;
    Ok(Listed { product: outcome.into_product(), available })
}

fn shown(found: Listed) -> impl IntoResponse {
    ([(ETAG, etag(found.product.version))], Json(ProductBody::from(found)))
}
