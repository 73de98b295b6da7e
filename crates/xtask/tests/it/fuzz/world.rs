//! The shop that is asked: who is signed in, and what there is to ask about.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, Result};
use rand::RngExt;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use serde_json::{Value, json};
use test_support::eventually;
use xtask::parts::{Admin, Description};
use xtask::shop::Shop;

use super::document::Operation;

/// What the provider signs with on this stack.
pub const WEBHOOK_SECRET: &str = "known to the provider";

const PATIENCE: Duration = Duration::from_secs(30);

const PASSWORD: &str = "correct horse battery staple";

/// Everything a right request may name.
pub struct World {
    pub admin: String,
    pub customers: Vec<String>,
    admin_account: Admin,
    emails: Vec<String>,
    skus: Vec<String>,
    /// Each with its payment's id.
    orders: Vec<(String, String)>,
    refresh_tokens: Vec<String>,
    cursors: BTreeMap<&'static str, String>,
    /// So that no two new accounts have the same address.
    next: AtomicU64,
}

impl World {
    /// Customers with orders, products with stock.
    pub async fn furnish(description: &Description) -> Result<Self> {
        let (shop, urls) = (Shop::new(description.urls())?, description.urls());
        let admin = shop.sign_in(&description.admin.email, &description.admin.password).await?;
        let skus = shop.skus(20).await?;
        for sku in &skus {
            eventually(PATIENCE, async || shop.stock(sku).await.ok()).await;
            shop.set_stock(&admin, sku, 1_000_000).await?;
        }
        let (mut customers, mut emails, mut refresh_tokens) = (Vec::new(), Vec::new(), Vec::new());
        let mut orders = Vec::new();
        let http = reqwest::Client::new();
        for number in 0..3 {
            let email = format!("fuzz-{number}@example.com");
            let customer = shop.sign_up(&email, PASSWORD).await?;
            for method in [None, None, Some("pm_card_ok"), Some("pm_card_slow")] {
                let order = shop.place_order(&customer, &skus[0], 1, method).await?;
                let url = format!("{}/api/payments/{}", urls["payments"], order.id);
                let payment = eventually(PATIENCE, async || {
                    let answer = http.get(&url).bearer_auth(&customer.token).send().await.ok()?;
                    let payment: Value = answer.json().await.ok()?;
                    payment["paymentId"].as_str().map(str::to_owned)
                })
                .await;
                orders.push((order.id, payment));
            }
            let credentials = json!({"email": email, "password": PASSWORD});
            let signin = http.post(format!("{}/api/users/signin", urls["auth"]));
            let signed_in: Value = signin.json(&credentials).send().await?.json().await?;
            let token = signed_in["refreshToken"].as_str().context("a refresh token")?;
            refresh_tokens.push(token.to_owned());
            customers.push(customer.token);
            emails.push(email);
        }
        let mut cursors = BTreeMap::new();
        for (service, path) in [
            ("orders", "/api/orders?limit=1"),
            ("products", "/api/products?limit=1"),
            ("notification", "/api/notifications?limit=1"),
        ] {
            let page = http.get(format!("{}{path}", urls[service])).bearer_auth(&customers[0]);
            let page: Value = page.send().await?.json().await?;
            cursors.insert(service, page["nextCursor"].as_str().unwrap_or_default().to_owned());
        }
        Ok(Self {
            admin: admin.token,
            customers,
            admin_account: description.admin.clone(),
            emails,
            skus,
            orders,
            refresh_tokens,
            cursors,
            next: AtomicU64::new(0),
        })
    }

    /// Where an earlier page of a list ended.
    pub fn cursor(&self, operation: &Operation) -> String {
        self.cursors.get(operation.service).cloned().unwrap_or_default()
    }

    /// What a parameter or a field of this name should be.
    pub fn known(&self, operation: &Operation, name: &str, random: &mut StdRng) -> Option<Value> {
        let next = || self.next.fetch_add(1, Ordering::Relaxed);
        let value = match name {
            "sku" if operation.name() == "products: POST /api/products" => {
                format!("FUZZ-{}", next())
            }
            // The first is for those that must not go.
            "sku" if operation.method == "DELETE" => format!("FUZZ-{}", random.random_range(0..50)),
            "sku" => self.skus.choose(random)?.clone(),
            "email" if operation.path.ends_with("signup") => format!("new-{}@example.com", next()),
            "email" if random.random_bool(0.1) => self.admin_account.email.clone(),
            "email" => self.emails.choose(random)?.clone(),
            "password" => PASSWORD.to_owned(),
            "refreshToken" => self.refresh_tokens.choose(random)?.clone(),
            "id" if operation.service == "payments" => "evt_1".to_owned(),
            "id" | "orderId" => self.orders.choose(random)?.0.clone(),
            "paymentId" => self.orders.choose(random)?.1.clone(),
            "provider" => "sandbox".to_owned(),
            "paymentMethod" => (*["pm_card_ok", "pm_card_declined"].choose(random)?).to_owned(),
            "currency" => "INR".to_owned(),
            "reference" | "reason" => "of the provider".to_owned(),
            _ => return None,
        };
        Some(Value::String(value))
    }
}
