//! The shop as its clients see it: over the public HTTP interfaces only.

mod catalogue;
mod sessions;
mod stream;

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use anyhow::{Context, Result, bail};
use reqwest::{Method, StatusCode};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::json;

use sessions::Sessions;
pub use stream::{Change, Changes};

/// Where each service listens.
#[derive(Debug, Clone)]
pub struct Shop {
    http: reqwest::Client,
    urls: BTreeMap<String, Vec<String>>,
    /// Which replica is asked next.
    turn: Arc<AtomicUsize>,
    sessions: Arc<Sessions>,
}

/// Somebody who is signed in.
#[derive(Debug, Clone)]
pub struct Account {
    /// Theirs alone.
    pub email: String,
    /// Access token.
    pub token: String,
    /// What the next one can be had for, once.
    pub refresh_token: String,
}

/// An order as the orders service answers.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Order {
    /// `ord_…`.
    pub id: String,
}

impl Shop {
    /// `urls` by service name, such as `http://127.0.0.1:3002`.
    pub fn new(urls: BTreeMap<String, String>) -> Result<Self> {
        Self::of_replicas(urls.into_iter().map(|(service, url)| (service, vec![url])).collect())
    }

    /// The same for several replicas of each service, which are asked in turn.
    pub fn of_replicas(urls: BTreeMap<String, Vec<String>>) -> Result<Self> {
        let http = reqwest::Client::builder().connect_timeout(Duration::from_secs(5)).build()?;
        Ok(Self { http, urls, turn: Arc::default(), sessions: Arc::default() })
    }

    /// Makes an account.
    pub async fn sign_up(&self, email: &str, password: &str) -> Result<Account> {
        self.account("/api/users/signup", StatusCode::CREATED, email, password).await
    }

    /// Gets a new token for an account.
    pub async fn sign_in(&self, email: &str, password: &str) -> Result<Account> {
        self.account("/api/users/signin", StatusCode::OK, email, password).await
    }

    /// Sets what is on hand of a SKU, whatever it was.
    pub async fn set_stock(&self, admin: &Account, sku: &str, on_hand: u32) -> Result<()> {
        let (path, body) = (format!("/api/stock/{sku}"), json!({"onHand": on_hand}));
        let request = || self.request("inventory", Method::PUT, &path).header("if-match", "*");
        let response = self.send_as(admin, || request().json(&body)).await?;
        expect(response, StatusCode::OK).await.map(drop)
    }

    /// What is on hand, reserved and available of a SKU.
    pub async fn stock(&self, sku: &str) -> Result<Stock> {
        let path = format!("/api/stock/{sku}");
        answer(self.request("inventory", Method::GET, &path), StatusCode::OK).await
    }

    /// SKUs of the catalogue's first page.
    pub async fn skus(&self, limit: usize) -> Result<Vec<String>> {
        #[derive(Deserialize)]
        struct Page {
            items: Vec<Product>,
        }
        #[derive(Deserialize)]
        struct Product {
            sku: String,
        }
        let path = format!("/api/products?limit={limit}");
        let page: Page =
            answer(self.request("products", Method::GET, &path), StatusCode::OK).await?;
        Ok(page.items.into_iter().map(|product| product.sku).collect())
    }

    /// Places an order of one line.
    pub async fn place_order(
        &self,
        customer: &Account,
        sku: &str,
        qty: u32,
        payment_method: Option<&str>,
    ) -> Result<Order> {
        let mut order = json!({"items": [{"sku": sku, "qty": qty}]});
        if let Some(method) = payment_method {
            order["paymentMethod"] = json!(method);
        }
        let request = || self.request("orders", Method::POST, "/api/orders").json(&order);
        read(self.send_as(customer, request).await?, StatusCode::ACCEPTED).await
    }

    /// Cancels an order.
    pub async fn cancel(&self, customer: &Account, id: &str) -> Result<()> {
        let path = format!("/api/orders/{id}/cancel");
        let request = || self.request("orders", Method::POST, &path);
        expect(self.send_as(customer, request).await?, StatusCode::OK).await.map(drop)
    }

    /// Pays an order that was placed without a payment method.
    pub async fn pay(&self, customer: &Account, id: &str, method: &str) -> Result<()> {
        let payment = json!({"orderId": id, "paymentMethod": method});
        let request = || self.request("payments", Method::POST, "/api/payments/pay").json(&payment);
        expect(self.send_as(customer, request).await?, StatusCode::ACCEPTED).await.map(drop)
    }

    /// The payment's status, or `None` where the service has not heard of the order yet.
    pub async fn payment_status(&self, customer: &Account, id: &str) -> Result<Option<String>> {
        #[derive(Deserialize)]
        struct Payment {
            status: String,
        }
        let path = format!("/api/payments/{id}");
        let request = || self.request("payments", Method::GET, &path);
        let response = self.send_as(customer, request).await?;
        if response.status() == StatusCode::NOT_FOUND {
            return Ok(None);
        }
        let payment: Payment = read(response, StatusCode::OK).await?;
        Ok(Some(payment.status))
    }

    /// Kind and order of each of the customer's latest notifications.
    pub async fn notifications(&self, customer: &Account) -> Result<Vec<Notification>> {
        #[derive(Deserialize)]
        struct Page {
            items: Vec<Notification>,
        }
        let path = "/api/notifications?limit=100";
        let request = || self.request("notification", Method::GET, path);
        let page: Page = read(self.send_as(customer, request).await?, StatusCode::OK).await?;
        Ok(page.items)
    }

    /// Opens the customer's stream of order changes.
    pub async fn changes(&self, customer: &Account) -> Result<Changes> {
        Changes::open(self.clone(), customer.clone()).await
    }

    /// Places an order as a client that repeats its request, under one Idempotency-Key, until the
    /// service has answered it. Returns the order's id and how often it was repeated.
    pub async fn place_order_persistently(
        &self,
        customer: &Account,
        sku: &str,
        payment_method: Option<&str>,
    ) -> Result<(String, usize)> {
        let key = uuid::Uuid::now_v7().to_string();
        self.place_order_under(&key, customer, sku, payment_method).await
    }

    /// The same under a key of the caller's.
    pub async fn place_order_under(
        &self,
        key: &str,
        customer: &Account,
        sku: &str,
        payment_method: Option<&str>,
    ) -> Result<(String, usize)> {
        let mut body = json!({"items": [{"sku": sku, "qty": 1}]});
        if let Some(method) = payment_method {
            body["paymentMethod"] = json!(method);
        }
        let mut repeats = 0;
        loop {
            let request = || {
                let request = self.request("orders", Method::POST, "/api/orders").json(&body);
                request.header("idempotency-key", key).timeout(Duration::from_secs(15))
            };
            match self.send_as(customer, request).await {
                Ok(response) if response.status() == StatusCode::ACCEPTED => {
                    if let Ok(order) = response.json::<Order>().await {
                        return Ok((order.id, repeats));
                    }
                }
                Ok(response) if !may_succeed_later(response.status()) => {
                    expect(response, StatusCode::ACCEPTED).await?;
                }
                Ok(_) | Err(_) => {}
            }
            repeats += 1;
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    fn request(&self, service: &str, method: Method, path: &str) -> reqwest::RequestBuilder {
        let urls = self.urls.get(service).map(Vec::as_slice).unwrap_or_default();
        let turn = self.turn.fetch_add(1, Ordering::Relaxed) % urls.len().max(1);
        let url = urls.get(turn).map(String::as_str).unwrap_or_default();
        self.http.request(method, format!("{url}{path}"))
    }
}

/// What the inventory service tells of a SKU.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Stock {
    /// In the warehouse, reserved units included.
    pub on_hand: i64,
    /// Held by open orders.
    pub reserved: i64,
}

/// A notification as its receiver sees it.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Notification {
    /// Of which order it tells.
    pub order_id: String,
    /// What it tells, such as `ORDER_COMPLETED`.
    pub kind: String,
    /// `SENT` once it was.
    pub status: String,
}

async fn answer<T: DeserializeOwned>(
    request: reqwest::RequestBuilder,
    expected: StatusCode,
) -> Result<T> {
    read(request.timeout(Duration::from_secs(30)).send().await?, expected).await
}

async fn read<T: DeserializeOwned>(response: reqwest::Response, expected: StatusCode) -> Result<T> {
    let url = response.url().clone();
    let body = expect(response, expected).await?.bytes().await?;
    serde_json::from_slice(&body).with_context(|| format!("the answer of {url}"))
}

fn may_succeed_later(status: StatusCode) -> bool {
    status.is_server_error()
        || [StatusCode::CONFLICT, StatusCode::TOO_MANY_REQUESTS].contains(&status)
}

async fn expect(response: reqwest::Response, expected: StatusCode) -> Result<reqwest::Response> {
    if response.status() == expected {
        return Ok(response);
    }
    let (status, url) = (response.status(), response.url().clone());
    let body = response.text().await.unwrap_or_default();
    bail!("{url} answered {status} instead of {expected}: {body}")
}
