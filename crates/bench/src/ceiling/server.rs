//! A server that knows who asks and reads what they ask for, and keeps nothing.

use std::io::{Read, Write};
use std::net::Ipv4Addr;

use anyhow::{Context, Result};
use axum::http::StatusCode;
use axum::routing::post;
use axum::{Extension, Json};
use contracts::ids::{CustomerId, OrderId, Sku};
use serde::{Deserialize, Serialize};
use service_kit::tokens::{Caller, KeyRing};
use sqlx::PgPool;
use tokio::net::TcpListener;
use uuid::Uuid;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct PlaceOrder {
    items: Vec<Line>,
    payment_method: Option<String>,
}

#[derive(Debug, Deserialize, Serialize)]
struct Line {
    sku: Sku,
    qty: u32,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Placed {
    id: OrderId,
    customer_id: CustomerId,
    items: Vec<Line>,
    payment_method: Option<String>,
}

async fn place(caller: Caller, Json(order): Json<PlaceOrder>) -> (StatusCode, Json<Placed>) {
    let placed = Placed {
        id: OrderId::from_uuid(Uuid::now_v7()),
        customer_id: caller.customer,
        items: order.items,
        payment_method: order.payment_method,
    };
    (StatusCode::ACCEPTED, Json(placed))
}

/// Prints where it listens, and serves until the standard input ends. The database is asked for the keys of
/// tokens, once.
pub async fn run(database_url: &str) -> Result<()> {
    let pool = PgPool::connect(database_url).await.context("the database does not answer")?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let mut out = std::io::stdout();
    writeln!(out, "{}", listener.local_addr()?).and_then(|()| out.flush())?;
    #[expect(clippy::disallowed_methods, reason = "it has no document, and nobody else asks it")]
    let router = axum::Router::new();
    let router = router.route("/api/orders", post(place)).layer(Extension(KeyRing::new(pool)));
    // Whoever has started it closes its input when it is no longer needed.
    let end = tokio::task::spawn_blocking(|| std::io::stdin().read(&mut [0]));
    tokio::select! {
        served = axum::serve(listener, router).into_future() => Ok(served?),
        _ = end => Ok(()),
    }
}
