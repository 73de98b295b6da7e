//! For every route that needs the database, a request that would succeed.

use reqwest::{Client, Method, RequestBuilder};
use serde_json::{Value, json};
use xtask::shop::Account;

use super::SECRET;
use crate::webhook::signature;

/// What all services have, and what needs no database, or is a stream, which ends instead.
pub const WITHOUT_DATABASE: [&str; 5] =
    ["/healthz", "/readyz", "/metrics", "/openapi.json", "/api/orders/events"];

/// What there is to be asked about.
pub struct Known {
    pub customer: Account,
    pub admin: Account,
    pub sku: String,
    pub order: String,
    pub payment: String,
}

/// One request.
pub struct Ask {
    pub service: &'static str,
    pub method: Method,
    /// As it is documented, such as `/api/orders/{id}`.
    pub route: &'static str,
    pub path: String,
    body: Option<Value>,
    headers: Vec<(&'static str, String)>,
}

impl Ask {
    pub fn request(&self, url: &str) -> RequestBuilder {
        let mut request = Client::new().request(self.method.clone(), format!("{url}{}", self.path));
        if let Some(body) = &self.body {
            let request_body = body.to_string();
            request = request.header("content-type", "application/json").body(request_body);
        }
        self.headers.iter().fold(request, |request, (name, value)| request.header(*name, value))
    }
}

/// All of them.
pub fn all(known: &Known) -> Vec<Ask> {
    let ask = |service, method, route: &'static str, body| Ask {
        service,
        method,
        route,
        path: route
            .replace("{id}", &known.order)
            .replace("{orderId}", &known.order)
            .replace("{sku}", &known.sku)
            .replace("{provider}", "sandbox"),
        body,
        headers: Vec::new(),
    };
    let by = |account: &Account, mut ask: Ask| {
        ask.headers.push(("authorization", format!("Bearer {}", account.token)));
        ask.headers.push(("if-match", "*".to_owned()));
        ask
    };
    let customers =
        |service, method, route, body| by(&known.customer, ask(service, method, route, body));
    let admins = |service, method, route, body| by(&known.admin, ask(service, method, route, body));
    let credentials =
        |email| Some(json!({"email": email, "password": "correct horse battery staple"}));
    let session = || Some(json!({"refreshToken": known.customer.refresh_token}));
    let product =
        json!({"sku": "NEW-1", "name": "New", "category": "new", "price": 1, "currency": "INR"});
    vec![
        ask("auth", Method::POST, "/api/users/signup", credentials("new@example.com")),
        ask("auth", Method::POST, "/api/users/signin", credentials("patient@example.com")),
        ask("auth", Method::POST, "/api/users/refresh", session()),
        ask("auth", Method::POST, "/api/users/signout", session()),
        customers("auth", Method::GET, "/api/users/me", None),
        ask("auth", Method::GET, "/.well-known/jwks.json", None),
        ask("products", Method::GET, "/api/products", None),
        ask("products", Method::GET, "/api/products/{sku}", None),
        admins("products", Method::POST, "/api/products", Some(product)),
        admins("products", Method::PATCH, "/api/products/{sku}", Some(json!({"name": "Other"}))),
        admins("products", Method::DELETE, "/api/products/{sku}", None),
        customers(
            "orders",
            Method::POST,
            "/api/orders",
            Some(json!({"items": [{"sku": known.sku, "qty": 1}]})),
        ),
        customers("orders", Method::GET, "/api/orders", None),
        customers("orders", Method::GET, "/api/orders/{id}", None),
        customers("orders", Method::GET, "/api/orders/{id}/history", None),
        customers("orders", Method::POST, "/api/orders/{id}/cancel", None),
        customers(
            "payments",
            Method::POST,
            "/api/payments/pay",
            Some(json!({"orderId": known.order, "paymentMethod": "pm_card_ok"})),
        ),
        customers("payments", Method::GET, "/api/payments/{orderId}", None),
        signed(ask(
            "payments",
            Method::POST,
            "/api/payments/webhooks/{provider}",
            Some(json!({
                "id": "evt_1", "type": "captured", "orderId": known.order, "paymentId": known.payment
            })),
        )),
        ask("inventory", Method::GET, "/api/stock/{sku}", None),
        admins("inventory", Method::PUT, "/api/stock/{sku}", Some(json!({"onHand": 1_000_000}))),
        customers("notification", Method::GET, "/api/notifications", None),
    ]
}

/// As the sandbox would sign it.
fn signed(mut ask: Ask) -> Ask {
    let body = ask.body.as_ref().map(ToString::to_string).unwrap_or_default();
    ask.headers.push(("webhook-signature", signature(SECRET, body.as_bytes())));
    ask
}
