//! What the OpenAPI document says of all services alike, so that handlers need not repeat it: how
//! callers are known, and how each operation may be refused.

use std::collections::BTreeMap;

use axum::http::StatusCode;
use utoipa::openapi::header::HeaderBuilder;
use utoipa::openapi::path::{Operation, PathItem};
use utoipa::openapi::response::ResponseBuilder;
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{ContentBuilder, Info, OpenApi, Ref, RefOr, Response};
use utoipa::{PartialSchema, ToSchema};

use super::problem::{CONTENT, Problem};

/// The role that an operation names among its security requirements when it is for admins alone.
const ADMIN: &str = "admin";

/// Completes the document of a service's routes.
pub(super) fn describe(document: &mut OpenApi, service: &str) {
    document.info = Info::new(&*format!("Boutique {service}"), env!("CARGO_PKG_VERSION"));
    for (path, item) in &mut document.paths.paths {
        for operation in operations(item) {
            refusals(path, operation);
        }
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
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    [&mut item.get, &mut item.put, &mut item.post, &mut item.patch, &mut item.delete]
        .into_iter()
        .flatten()
}

/// Adds the refusals that follow from what an operation takes. Handlers name those that follow from
/// what they do; all of them are problems.
fn refusals(path: &str, operation: &mut Operation) {
    let mut add = |status: u16, description: &str| {
        let responses = &mut operation.responses.responses;
        responses
            .entry(status.to_string())
            .or_insert_with(|| ResponseBuilder::new().description(description).build().into());
    };
    let (has_body, has_parameters) =
        (operation.request_body.is_some(), operation.parameters.is_some());
    let roles = roles(operation.security.as_deref());
    if has_body || has_parameters {
        add(400, "A parameter or the body cannot be read");
    }
    if let Some(roles) = roles {
        add(401, "No access token, or one that is not valid");
        if roles.contains(&ADMIN.to_owned()) {
            add(403, "The caller is no admin");
        }
    }
    if path.contains('{') {
        add(404, "There is none, or none that the caller may see");
    }
    if has_body {
        add(408, "The body did not arrive in time");
        add(415, "The body is not declared as JSON in UTF-8");
        add(422, "A field is not valid");
    }
    add(413, "The body is too large");
    add(503, "Not possible right now");
    for (status, response) in &mut operation.responses.responses {
        let status = status.parse().ok().and_then(|status| StatusCode::from_u16(status).ok());
        if let (Some(status), RefOr::T(response)) = (status, response)
            && (status.is_client_error() || status.is_server_error())
        {
            is_problem(status, response);
        }
    }
}

/// The roles of whom an operation is for; `None` where it is for everybody.
fn roles(security: Option<&[utoipa::openapi::SecurityRequirement]>) -> Option<Vec<String>> {
    let requirements = security.filter(|requirements| !requirements.is_empty())?;
    let roles = requirements.iter().filter_map(|requirement| {
        let value = serde_json::to_value(requirement).ok()?;
        let schemes: BTreeMap<String, Vec<String>> = serde_json::from_value(value).ok()?;
        Some(schemes.into_values().flatten())
    });
    Some(roles.flatten().collect())
}

fn is_problem(status: StatusCode, response: &mut Response) {
    let content = ContentBuilder::new().schema(Some(Ref::from_schema_name(Problem::name())));
    response.content.insert(CONTENT.to_owned(), content.build().into());
    let mut header = |name: &str, kind, description: &str| {
        let schema = ObjectBuilder::new().schema_type(kind).build();
        let header = HeaderBuilder::new().schema(Some(schema)).description(Some(description));
        response.headers.insert(name.to_owned(), header.build().into());
    };
    match status {
        StatusCode::UNAUTHORIZED => header("WWW-Authenticate", Type::String, "`Bearer`"),
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
            header("Retry-After", Type::Integer, "Seconds to wait before the next attempt");
        }
        _ => {}
    }
}
