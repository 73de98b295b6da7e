//! The bodies of requests and responses.

use chrono::{DateTime, Utc};
use contracts::events::{Line, OrderStatus, OrderStep};
use contracts::ids::{CustomerId, OrderId, Sku};
use contracts::money::{Amount, Currency};
use serde::{Deserialize, Serialize};
use service_kit::http::Problem;
use utoipa::{IntoParams, ToSchema};

use crate::placement::PlacedOrder;
use crate::quote::PricedLine;
use crate::store::Entry;

const MAX_LINES: usize = 100;
const MAX_QTY: u32 = 1000;
const MAX_PAYMENT_METHOD: usize = 64;

/// An order to place. Prices are those of the catalogue.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PlaceOrder {
    /// What to order. Lines may repeat a product.
    #[schema(min_items = 1, max_items = 100)]
    pub items: Vec<PlaceLine>,
    /// How to pay at once. Without it the order waits for its payment until it expires.
    #[schema(min_length = 1, max_length = 64, pattern = "^[A-Za-z0-9_]+$", example = "pm_card_ok")]
    pub payment_method: Option<String>,
}

/// Pieces of one product.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PlaceLine {
    /// The product.
    #[schema(value_type = String, example = "MUG-01")]
    pub sku: Sku,
    /// Pieces.
    #[schema(minimum = 1, maximum = 1000)]
    pub qty: u32,
}

impl PlaceOrder {
    /// Checks what can be said without asking anybody.
    pub fn validate(&self) -> Result<(), Problem> {
        if self.items.is_empty() {
            return Err(Problem::invalid_field("items", "Order at least one line."));
        }
        if self.items.len() > MAX_LINES {
            let detail = format!(
                "An order may have at most {MAX_LINES} lines, this one has {}.",
                self.items.len()
            );
            return Err(Problem::invalid_field("items", detail));
        }
        if let Some(at) = self.items.iter().position(|line| !(1..=MAX_QTY).contains(&line.qty)) {
            let detail =
                format!("The quantity must be from 1 to {MAX_QTY}, not {}.", self.items[at].qty);
            return Err(Problem::invalid_field(format!("items[{at}].qty"), detail));
        }
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        match &self.payment_method {
            Some(method)
                if !(1..=MAX_PAYMENT_METHOD).contains(&method.len())
                    || !method.bytes().all(allowed) =>
            {
                Err(Problem::invalid_field(
                    "paymentMethod",
                    "The payment method must be 1 to 64 of the characters A–Z, a–z, 0–9 and _.",
                ))
            }
            _ => Ok(()),
        }
    }

    /// The lines as events carry them.
    pub fn lines(&self) -> Vec<Line> {
        self.items.iter().map(|line| Line { sku: line.sku.clone(), qty: line.qty }).collect()
    }
}

/// An order and where it stands.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Order)]
pub struct OrderBody {
    /// The order.
    #[schema(value_type = String, example = "ord_01h455vb4pex5vsknk084sn02q")]
    id: OrderId,
    /// Whose it is.
    #[schema(value_type = String, example = "cust_01h455vb4pex5vsknk084sn02q")]
    customer_id: CustomerId,
    /// Whether and how it ended: `PENDING`, `COMPLETED`, `FAILED` or `CANCELLED`.
    #[schema(value_type = String, example = "PENDING")]
    status: OrderStatus,
    /// How far it is: `CREATED`, `INVENTORY_RESERVED`, `PAYMENT_AUTHORIZED`, or as the status.
    #[schema(value_type = String, example = "CREATED")]
    step: OrderStep,
    /// Why it failed (`OUT_OF_STOCK`, `PAYMENT_FAILED`) or was cancelled (`CUSTOMER`, `EXPIRED`).
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    /// Grows with every change.
    version: u32,
    /// What was ordered.
    items: Vec<LineBody>,
    /// What it costs in all.
    #[schema(value_type = f64, example = 1499.00)]
    total: Amount,
    /// Of the prices and the total.
    #[schema(value_type = String, example = "INR")]
    currency: Currency,
    /// How it is paid, if that was told when it was placed.
    #[serde(skip_serializing_if = "Option::is_none")]
    payment_method: Option<String>,
    /// When it was placed.
    created_at: DateTime<Utc>,
    /// When it changed last.
    updated_at: DateTime<Utc>,
    /// When it is cancelled if it has not ended by then.
    expires_at: DateTime<Utc>,
}

/// A line of an order.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = OrderLine)]
pub struct LineBody {
    /// The product.
    #[schema(value_type = String, example = "MUG-01")]
    sku: Sku,
    /// Pieces.
    qty: u32,
    /// Of one piece, when the order was placed.
    #[schema(value_type = f64, example = 749.50)]
    price: Amount,
}

impl From<PlacedOrder> for OrderBody {
    fn from(placed: PlacedOrder) -> Self {
        let order = placed.order;
        let line = |PricedLine { sku, qty, each }| LineBody { sku, qty, price: each.amount() };
        Self {
            id: order.id,
            customer_id: order.customer,
            status: order.state.status(),
            step: order.state.step(),
            reason: order.state.reason(),
            version: order.version,
            items: placed.lines.into_iter().map(line).collect(),
            total: order.total.amount(),
            currency: order.total.currency,
            payment_method: placed.payment_method,
            created_at: placed.created_at,
            updated_at: order.updated_at,
            expires_at: placed.expires_at,
        }
    }
}

/// Which orders to list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub struct ListQuery {
    /// Only orders that stand so: `PENDING`, `COMPLETED`, `FAILED` or `CANCELLED`.
    #[param(value_type = Option<String>)]
    pub status: Option<OrderStatus>,
    /// Orders on a page.
    #[param(minimum = 1, maximum = 100, default = 20)]
    pub limit: Option<u32>,
    /// `nextCursor` of the page before.
    pub cursor: Option<String>,
}

/// Some of the caller's orders, the newest first.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct OrderPage {
    /// The orders.
    pub items: Vec<OrderBody>,
    /// Leads to the next page; absent on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

/// Everything that happened to an order.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct OrderHistory {
    /// The order.
    #[schema(value_type = String, example = "ord_01h455vb4pex5vsknk084sn02q")]
    pub order_id: OrderId,
    /// Oldest first.
    pub items: Vec<HistoryEntry>,
}

/// One change of an order.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct HistoryEntry {
    /// The order's version from then on.
    version: u32,
    /// Its status from then on.
    #[schema(value_type = String, example = "PENDING")]
    status: OrderStatus,
    /// The step it reached.
    #[schema(value_type = String, example = "INVENTORY_RESERVED")]
    step: OrderStep,
    /// Why it ended, if it failed or was cancelled.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    /// What led to it: an event's name, `OrderPlaced` or `CustomerCancelled`.
    #[schema(example = "InventoryReserved")]
    cause: String,
    /// When.
    at: DateTime<Utc>,
}

impl From<Entry> for HistoryEntry {
    fn from(Entry { version, state, cause, at }: Entry) -> Self {
        let (status, step, reason) = (state.status(), state.step(), state.reason());
        Self { version, status, step, reason, cause, at }
    }
}
