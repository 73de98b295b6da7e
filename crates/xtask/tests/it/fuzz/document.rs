//! What a service can be asked for, and what it may answer, by its own OpenAPI document.

use std::collections::BTreeMap;
use std::rc::Rc;

use serde_json::Value;

/// One route with one method.
#[derive(Debug, Clone)]
pub struct Operation {
    pub service: &'static str,
    /// In capitals.
    pub method: String,
    /// With parameters, such as `/api/orders/{id}`.
    pub path: String,
    pub parameters: Vec<Parameter>,
    pub body: Option<Value>,
    /// Whether a token is asked for.
    pub is_secured: bool,
    pub is_admins: bool,
    /// By status.
    pub responses: BTreeMap<u16, Value>,
    /// The document, for what is referred to.
    pub document: Rc<Value>,
}

/// Of a path, a query or the headers.
#[derive(Debug, Clone)]
pub struct Parameter {
    pub name: String,
    pub place: String,
    pub is_required: bool,
    pub schema: Value,
}

/// All operations of a service's document.
pub fn operations(service: &'static str, document: Value) -> Vec<Operation> {
    let document = Rc::new(document);
    let mut operations = Vec::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            operations.push(Operation {
                service,
                method: method.to_uppercase(),
                path: path.clone(),
                parameters: list(&operation["parameters"]).map(parameter).collect(),
                body: operation["requestBody"]["content"]
                    .as_object()
                    .and_then(|content| content.values().next())
                    .map(|content| content["schema"].clone()),
                is_secured: operation["security"].is_array(),
                is_admins: operation["security"].to_string().contains("admin"),
                responses: responses(&operation["responses"]),
                document: Rc::clone(&document),
            });
        }
    }
    operations
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn parameter(parameter: &Value) -> Parameter {
    let text = |name: &str| parameter[name].as_str().unwrap().to_owned();
    Parameter {
        name: text("name"),
        place: text("in"),
        is_required: parameter["required"] == true,
        schema: parameter["schema"].clone(),
    }
}

fn responses(responses: &Value) -> BTreeMap<u16, Value> {
    let responses = responses.as_object().unwrap().iter();
    responses.map(|(status, response)| (status.parse().unwrap(), response.clone())).collect()
}

impl Operation {
    /// Such as `orders: GET /api/orders/{id}`.
    pub fn name(&self) -> String {
        format!("{}: {} {}", self.service, self.method, self.path)
    }

    /// Whether it is one that all services have.
    pub fn is_shared(&self) -> bool {
        self.path.matches('/').count() == 1
    }

    /// Whether a path as it was sent leads to it; of two, the one without parameters is meant.
    fn matches(&self, path: &str) -> bool {
        let is_parameter = |part: &str| part.starts_with('{');
        let (ours, theirs) = (self.path.split('/'), path.split('/'));
        ours.clone().count() == theirs.clone().count()
            && ours
                .zip(theirs)
                .all(|(ours, theirs)| ours == theirs || (is_parameter(ours) && !theirs.is_empty()))
    }
}

/// Those of the operations that a path leads to, one for each of its methods.
pub fn at<'a>(operations: &'a [Operation], service: &str, path: &str) -> Vec<&'a Operation> {
    let found: Vec<_> =
        operations.iter().filter(|one| one.service == service && one.matches(path)).collect();
    let plainest = found.iter().map(|one| one.path.matches('{').count()).min();
    found.into_iter().filter(|one| Some(one.path.matches('{').count()) == plainest).collect()
}
