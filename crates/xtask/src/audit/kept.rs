//! What the databases hold, read whole.

mod read;

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use contracts::events::Line;
use contracts::ids::{CustomerId, OrderId, PaymentId, Sku};
use contracts::money::Money;
use sqlx::FromRow;
use uuid::Uuid;

/// All that there are events, answers or mails about.
#[derive(Debug, Clone, Default)]
pub struct Kept {
    /// Orders, with their history.
    pub orders: BTreeMap<OrderId, Order>,
    /// What was ordered under which key.
    pub keys: BTreeMap<(CustomerId, String), OrderId>,
    /// Users.
    pub users: BTreeMap<CustomerId, User>,
    /// The keys that sign tokens.
    pub signing_keys: BTreeMap<String, SigningKey>,
    /// The catalogue.
    pub products: BTreeMap<Sku, Product>,
    /// What inventory has.
    pub stock: BTreeMap<Sku, Stock>,
    /// What inventory decided about orders.
    pub reservations: BTreeMap<OrderId, Reservation>,
    /// Payments.
    pub payments: BTreeMap<OrderId, Payment>,
    /// What customers were told.
    pub notifications: BTreeMap<Uuid, Notification>,
}

/// An order.
#[derive(Debug, Clone)]
pub struct Order {
    /// Whose.
    pub customer: CustomerId,
    /// `PENDING`, or how it ended.
    pub status: String,
    /// What was ordered.
    pub lines: Vec<Line>,
    /// What it costs.
    pub total: Money,
    /// How it was to be paid at once.
    pub payment_method: Option<String>,
    /// When it was placed.
    pub created_at: DateTime<Utc>,
    /// When it would have expired.
    pub expires_at: DateTime<Utc>,
    /// Every change, the first included.
    pub history: Vec<Change>,
}

/// A change of an order.
#[derive(Debug, Clone, FromRow)]
pub struct Change {
    /// Of which order.
    pub order_id: Uuid,
    /// The order's version from then on.
    #[sqlx(try_from = "i32")]
    pub version: u32,
    /// What was reached.
    pub step: String,
    /// Why it ended.
    pub reason: Option<String>,
    /// What led to it.
    pub cause: String,
    /// The event it came with.
    pub event_id: Option<Uuid>,
    /// When.
    pub recorded_at: DateTime<Utc>,
}

/// Somebody who signed up.
#[derive(Debug, Clone, FromRow)]
pub struct User {
    /// Their id.
    pub id: Uuid,
    /// Their address.
    pub email: String,
    /// `customer` or `admin`.
    pub role: String,
}

/// A key that signs tokens.
#[derive(Debug, Clone, FromRow)]
pub struct SigningKey {
    /// Its id.
    pub key_id: String,
    /// Its public half.
    pub public_key: String,
    /// When the last token it signed ends.
    pub expires_at: DateTime<Utc>,
}

/// A product.
#[derive(Debug, Clone)]
pub struct Product {
    /// What customers read.
    pub name: String,
    /// Of one piece.
    pub price: Money,
    /// How often it has changed.
    pub version: u64,
    /// Whether it can be ordered no more.
    pub is_discontinued: bool,
}

/// What there is of a product.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stock {
    /// Pieces in the warehouse.
    pub on_hand: u32,
    /// Of those, what orders hold.
    pub reserved: u32,
    /// How often it has changed.
    pub version: u64,
}

/// What inventory decided about an order.
#[derive(Debug, Clone)]
pub struct Reservation {
    /// Such as `DEDUCTED`.
    pub status: String,
    /// What was set aside.
    pub lines: BTreeMap<Sku, u32>,
}

/// The payment of an order.
#[derive(Debug, Clone)]
pub struct Payment {
    /// Its id.
    pub id: PaymentId,
    /// Such as `CAPTURED`.
    pub state: String,
    /// How much; nothing before the order was heard of.
    pub amount: Option<Money>,
    /// The provider's name for the authorisation.
    pub reference: Option<String>,
    /// Why the provider refused.
    pub failure: Option<String>,
}

/// What a customer was told.
#[derive(Debug, Clone, FromRow)]
pub struct Notification {
    /// Its id, and the name of its mail.
    pub id: Uuid,
    /// Of which order.
    pub order_id: Uuid,
    /// Who.
    pub customer_id: Option<Uuid>,
    /// Such as `ORDER_COMPLETED`.
    pub kind: String,
    /// The subject of its mail.
    pub subject: String,
}

impl Kept {
    /// The address of an order's customer; empty where nobody has signed up as such.
    pub fn email_of(&self, order: &Order) -> &str {
        self.users.get(&order.customer).map_or("", |user| &user.email)
    }
}
