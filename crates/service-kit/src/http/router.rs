//! A service's routes with everything around them.

use anyhow::Context;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::get;
use axum::{Extension, Router, middleware};
use tower_http::catch_panic::CatchPanicLayer;
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{Info, OpenApi};
use utoipa::{PartialSchema, ToSchema};
use utoipa_axum::router::OpenApiRouter;

use super::boundary::{boundary, panicked};
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

/// The routes of a service with health, metrics and documentation, with bounds on the size and the
/// time of a request, and with a problem for everything that fails.
pub(crate) fn router(surroundings: Surroundings, api: OpenApiRouter) -> anyhow::Result<Router> {
    let (routes, document) = api.split_for_parts();
    let document = describe(document, surroundings.service)
        .to_json()
        .context("cannot write the OpenAPI document")?;
    let infrastructure = Router::new()
        .route("/healthz", get(StatusCode::OK))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .route("/openapi.json", get(([(CONTENT_TYPE, "application/json")], document)))
        .with_state(surroundings.clone());
    Ok(routes
        .merge(infrastructure)
        .layer(DefaultBodyLimit::max(super::MAX_BODY_BYTES))
        .layer(Extension(surroundings.keys))
        .layer(CatchPanicLayer::custom(panicked))
        .layer(middleware::from_fn(boundary)))
}

async fn readyz(State(surroundings): State<Surroundings>) -> Result<&'static str, Problem> {
    let failing = surroundings.readiness.failing().await;
    if failing.is_empty() {
        return Ok("ready\n");
    }
    Err(Problem::new(
        StatusCode::SERVICE_UNAVAILABLE,
        "not-ready",
        format!("Not ready: {}.", failing.join(", ")),
    ))
}

async fn metrics(State(surroundings): State<Surroundings>) -> impl IntoResponse {
    let content_type = "text/plain; version=0.0.4; charset=utf-8";
    ([(CONTENT_TYPE, content_type)], surroundings.metrics.render())
}

/// Adds what is the same for all services, so that handlers need not repeat it.
fn describe(mut document: OpenApi, service: &str) -> OpenApi {
    document.info = Info::new(&*format!("Boutique {service}"), env!("CARGO_PKG_VERSION"));
    for path in document.paths.paths.values_mut() {
        let operations =
            [&mut path.get, &mut path.post, &mut path.put, &mut path.patch, &mut path.delete];
        operations.into_iter().flatten().for_each(Problem::document);
    }
    let components = document.components.get_or_insert_default();
    components.schemas.insert(Problem::name().into_owned(), Problem::schema());
    components.add_security_scheme(
        "bearer",
        SecurityScheme::Http(
            HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format("JWT").build(),
        ),
    );
    components.add_security_scheme(
        "cookie",
        SecurityScheme::ApiKey(ApiKey::Cookie(ApiKeyValue::new(crate::tokens::COOKIE))),
    );
    document
}
