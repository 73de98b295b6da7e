//! A service's routes with everything around them.

use anyhow::Context;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::{Extension, Router, middleware};
use tower_http::catch_panic::CatchPanicLayer;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::boundary::{boundary, panicked};
use super::document::describe;
use super::problem::Problem;
use crate::metrics::Metrics;
use crate::readiness::Readiness;
use crate::tokens::KeyRing;

/// What the routes of a service stand on.
#[derive(Clone)]
pub(crate) struct Surroundings {
    /// The service's name.
    pub service: &'static str,
    /// What `/readyz` asks.
    pub readiness: Readiness,
    /// What checks the tokens of callers.
    pub keys: KeyRing,
    /// What `/metrics` shows.
    pub metrics: Metrics,
}

/// What the routes that all services have stand on.
#[derive(Clone)]
struct Shared {
    surroundings: Surroundings,
    document: Bytes,
}

/// The routes of a service with health, metrics and documentation, with bounds on the size and the
/// time of a request, and with a problem for everything that fails.
pub(crate) fn router(surroundings: Surroundings, api: OpenApiRouter) -> anyhow::Result<Router> {
    let (routes, mut document) = api.split_for_parts();
    let (shared, shared_document) = shared_routes().split_for_parts();
    document.merge(shared_document);
    describe(&mut document, surroundings.service);
    let document = document.to_json().context("cannot write the OpenAPI document")?.into();
    let keys = surroundings.keys.clone();
    Ok(routes
        .merge(shared.with_state(Shared { surroundings, document }))
        .layer(DefaultBodyLimit::max(super::MAX_BODY_BYTES))
        .layer(Extension(keys))
        .layer(CatchPanicLayer::custom(panicked))
        .layer(middleware::from_fn(boundary)))
}

fn shared_routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::new()
        .routes(routes!(healthz))
        .routes(routes!(readyz))
        .routes(routes!(metrics))
        .routes(routes!(openapi))
}

/// Whether the process answers.
#[utoipa::path(
    get,
    path = "/healthz",
    tag = "operations",
    responses((status = 200, description = "It does")),
)]
async fn healthz() -> StatusCode {
    StatusCode::OK
}

/// Whether requests can be served; what is missing is named.
#[utoipa::path(
    get,
    path = "/readyz",
    tag = "operations",
    responses((status = 200, description = "They can", body = String, content_type = "text/plain")),
)]
async fn readyz(State(shared): State<Shared>) -> Result<&'static str, Problem> {
    let failing = shared.surroundings.readiness.failing().await;
    if failing.is_empty() {
        return Ok("ready\n");
    }
    Err(Problem::new(
        StatusCode::SERVICE_UNAVAILABLE,
        "not-ready",
        format!("Not ready: {}.", failing.join(", ")),
    ))
}

/// Figures for Prometheus.
#[utoipa::path(
    get,
    path = "/metrics",
    tag = "operations",
    responses(
        (status = 200, description = "All figures", body = String, content_type = "text/plain"),
    ),
)]
async fn metrics(State(shared): State<Shared>) -> impl IntoResponse {
    let content_type = "text/plain; version=0.0.4; charset=utf-8";
    ([(CONTENT_TYPE, content_type)], shared.surroundings.metrics.render())
}

/// This document.
#[utoipa::path(
    get,
    path = "/openapi.json",
    tag = "operations",
    responses((status = 200, description = "OpenAPI 3.1", body = serde_json::Value)),
)]
async fn openapi(State(shared): State<Shared>) -> impl IntoResponse {
    ([(CONTENT_TYPE, "application/json")], shared.document)
}
