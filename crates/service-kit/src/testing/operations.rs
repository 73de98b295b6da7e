//! What a service can be asked for, as its own OpenAPI document tells.

use anyhow::Context;
use reqwest::Method;
use serde_json::Value;

/// One route with one method.
#[derive(Clone, Debug)]
pub(super) struct Operation {
    pub(super) method: Method,
    /// With parameters, such as `/api/orders/{id}`.
    pub(super) path: String,
    /// Who may ask.
    pub(super) audience: Audience,
    pub(super) takes_body: bool,
}

/// Whom an operation is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Audience {
    Everybody,
    Callers,
    Admins,
}

impl Operation {
    /// Such as `GET /api/orders/{id}`.
    pub(super) fn name(&self) -> String {
        format!("{} {}", self.method, self.path)
    }

    /// Names of the path's parameters.
    pub(super) fn parameters(&self) -> impl Iterator<Item = &str> {
        self.path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
    }

    /// The path with the values of parameters; those that have none get one that is none of ours.
    pub(super) fn path_with(&self, values: &[(&str, &str)]) -> String {
        self.parameters().fold(self.path.clone(), |path, name| {
            let value =
                values.iter().find(|(of, _)| *of == name).map_or("none", |(_, value)| value);
            path.replace(&format!("{{{name}}}"), value)
        })
    }
}

/// All operations of a document.
pub(super) fn operations(document: &Value) -> anyhow::Result<Vec<Operation>> {
    let paths = document["paths"].as_object().context("a document has paths")?;
    let mut operations = Vec::new();
    for (path, methods) in paths {
        for (method, operation) in methods.as_object().context("a path has methods")? {
            operations.push(Operation {
                method: method.to_uppercase().parse()?,
                path: path.clone(),
                audience: audience(&operation["security"]),
                takes_body: operation["requestBody"].is_object(),
            });
        }
    }
    Ok(operations)
}

fn audience(security: &Value) -> Audience {
    let mut schemes = security.as_array().into_iter().flatten().filter_map(Value::as_object);
    let mut roles = schemes.clone().flat_map(|scheme| scheme.values());
    let is_admins =
        |roles: &Value| roles.as_array().is_some_and(|roles| roles.contains(&"admin".into()));
    match schemes.next() {
        None => Audience::Everybody,
        Some(_) if roles.all(is_admins) => Audience::Admins,
        Some(_) => Audience::Callers,
    }
}
