use anyhow::Result;
use reqwest::{Method, StatusCode};
use serde_json::json;

use super::{Account, Shop, expect};

impl Shop {
    /// Puts a product on sale.
    pub async fn create_product(&self, admin: &Account, sku: &str) -> Result<()> {
        let product = json!({
            "sku": sku, "name": format!("The {sku}"), "description": "One of many.",
            "category": "many", "price": 499.5, "currency": "INR",
        });
        let request = || self.request("products", Method::POST, "/api/products").json(&product);
        expect(self.send_as(admin, request).await?, StatusCode::CREATED).await.map(drop)
    }
}
