//! The stock over HTTP.

use axum::extract::State;
use axum::http::header::ETAG;
use axum::http::{HeaderMap, StatusCode};
use axum::response::IntoResponse;
use contracts::ids::Sku;
use messaging::Outbox;
use serde::{Deserialize, Serialize};
use service_kit::http::{Json, Path, Problem, Trace, etag, required_if_match};
use service_kit::tokens::Admin;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::stock::{MAX_ON_HAND, Refusal, Stock};
use crate::store;

/// The routes of this service.
pub fn routes(outbox: Outbox) -> OpenApiRouter {
    OpenApiRouter::new().routes(routes!(get_stock, put_stock)).with_state(outbox)
}

/// The stock of a product.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct StockBody {
    /// The product.
    #[schema(value_type = String)]
    sku: Sku,
    /// Pieces in the warehouse.
    on_hand: u32,
    /// Pieces of those that open orders hold.
    reserved: u32,
    /// Pieces that can be ordered: on hand less reserved.
    available: u32,
    /// Grows with every change; the response's `ETag`, in quotes.
    version: u64,
}

/// A count of the warehouse.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct StockCount {
    /// Pieces in the warehouse, those included that open orders hold.
    #[schema(maximum = 1_000_000)]
    on_hand: u32,
}

/// How many pieces of a product there are.
#[utoipa::path(
    get,
    path = "/api/stock/{sku}",
    params(("sku" = String, Path, description = "The product's SKU")),
    responses((status = 200, body = StockBody)),
)]
async fn get_stock(
    State(outbox): State<Outbox>,
    Path(sku): Path<Sku>,
) -> Result<impl IntoResponse, Problem> {
    let stock = store::find_stock(outbox.pool(), &sku).await?.ok_or_else(unknown)?;
    Ok(shown(sku, stock))
}

/// Sets how many pieces are on hand, if the stock is still at the version of `If-Match`.
#[utoipa::path(
    put,
    path = "/api/stock/{sku}",
    params(
        ("sku" = String, Path, description = "The product's SKU"),
        ("If-Match" = String, Header, description = "The stock's ETag, or *"),
    ),
    request_body = StockCount,
    responses(
        (status = 200, body = StockBody),
        (status = 409, description = "Open orders hold more than that"),
        (status = 412, description = "The stock has changed meanwhile"),
        (status = 428, description = "Without If-Match"),
    ),
    security(("bearer" = ["admin"]), ("cookie" = ["admin"])),
)]
async fn put_stock(
    State(outbox): State<Outbox>,
    _admin: Admin,
    Path(sku): Path<Sku>,
    Trace(trace): Trace,
    headers: HeaderMap,
    Json(StockCount { on_hand }): Json<StockCount>,
) -> Result<impl IntoResponse, Problem> {
    let expected = required_if_match(&headers)?;
    if on_hand > MAX_ON_HAND {
        let detail = format!("The field onHand must be {MAX_ON_HAND} at most.");
        return Err(Problem::invalid_field("onHand", detail));
    }
    let mut tx = outbox.begin().await?;
    let known = store::lock_stock(tx.conn(), [&sku]).await?;
    let before = *known.get(&sku).ok_or_else(unknown)?;
    let after = before.set(on_hand, &expected).map_err(|refusal| refused(refusal, before))?;
    if after != before {
        store::update_stock(tx.conn(), &[(sku.clone(), after)]).await?;
        tx.publish(after.told(sku.clone(), tx.now(), trace.trace_id), &trace)
            .map_err(Problem::internal)?;
        tx.commit().await?;
    }
    Ok(shown(sku, after))
}

fn shown(sku: Sku, stock: Stock) -> impl IntoResponse {
    let body = StockBody {
        sku,
        on_hand: stock.level.on_hand(),
        reserved: stock.level.reserved(),
        available: stock.level.available(),
        version: stock.version,
    };
    ([(ETAG, etag(stock.version))], Json(body))
}

fn unknown() -> Problem {
    Problem::not_found("There is no stock of this SKU; that of a new product appears in a moment.")
}

fn refused(refusal: Refusal, now: Stock) -> Problem {
    match refusal {
        Refusal::Changed => {
            let detail = format!(
                "The stock has changed meanwhile and is at version {} now; read it again and repeat \
                 with its new ETag.",
                now.version
            );
            Problem::new(StatusCode::PRECONDITION_FAILED, "precondition-failed", detail)
                .with_field("If-Match")
        }
        Refusal::BelowReserved => {
            let detail = format!(
                "Open orders hold {} pieces; the stock on hand cannot be set below that.",
                now.level.reserved()
            );
            Problem::conflict("stock-reserved", detail).with_field("onHand")
        }
    }
}
