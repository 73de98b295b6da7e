use std::collections::BTreeMap;

use anyhow::{Context, Result};
use chrono::{DateTime, Utc};
use contracts::events::Line;
use contracts::ids::{CustomerId, OrderId, PaymentId, Sku};
use contracts::money::Money;
use sqlx::PgConnection;
use sqlx::types::Json;
use uuid::Uuid;

use super::{
    Change, Kept, Notification, Order, Payment, Product, Reservation, SigningKey, Stock, User,
};

impl Kept {
    /// Reads it; `connection` is the superuser's.
    pub async fn read(connection: &mut PgConnection) -> Result<Self> {
        Ok(Self {
            orders: orders(connection).await?,
            keys: keys(connection).await?,
            users: sqlx::query_as("SELECT id, email, role FROM auth.users")
                .fetch_all(&mut *connection)
                .await?
                .into_iter()
                .map(|user: User| (CustomerId::from_uuid(user.id), user))
                .collect(),
            signing_keys: sqlx::query_as(
                "SELECT key_id, public_key, expires_at FROM auth.signing_key_pairs",
            )
            .fetch_all(&mut *connection)
            .await?
            .into_iter()
            .map(|key: SigningKey| (key.key_id.clone(), key))
            .collect(),
            products: products(connection).await?,
            stock: stock(connection).await?,
            reservations: reservations(connection).await?,
            payments: payments(connection).await?,
            notifications: sqlx::query_as(
                "SELECT id, order_id, customer_id, kind, subject FROM notification.notifications",
            )
            .fetch_all(&mut *connection)
            .await?
            .into_iter()
            .map(|notification: Notification| (notification.id, notification))
            .collect(),
        })
    }
}

type OrderRow = (
    Uuid,
    Uuid,
    String,
    Json<Vec<Line>>,
    i64,
    String,
    Option<String>,
    DateTime<Utc>,
    DateTime<Utc>,
);

async fn orders(connection: &mut PgConnection) -> Result<BTreeMap<OrderId, Order>> {
    let rows: Vec<OrderRow> = sqlx::query_as(
        "SELECT id, customer_id, status, items, total_minor, currency, payment_method, created_at,
                expires_at FROM orders.orders",
    )
    .fetch_all(&mut *connection)
    .await?;
    let mut orders = BTreeMap::new();
    for (id, customer, status, lines, minor, currency, payment_method, created_at, expires_at) in
        rows
    {
        let order = Order {
            customer: CustomerId::from_uuid(customer),
            status,
            lines: lines.0,
            total: money(minor, &currency)?,
            payment_method,
            created_at,
            expires_at,
            history: Vec::new(),
        };
        orders.insert(OrderId::from_uuid(id), order);
    }
    let history: Vec<Change> = sqlx::query_as(
        "SELECT order_id, version, step, reason, cause, event_id, recorded_at
         FROM orders.order_history ORDER BY order_id, version",
    )
    .fetch_all(connection)
    .await?;
    for change in history {
        let order = orders.get_mut(&OrderId::from_uuid(change.order_id));
        order.context("the history of an order that is not there")?.history.push(change);
    }
    Ok(orders)
}

async fn keys(connection: &mut PgConnection) -> Result<BTreeMap<(CustomerId, String), OrderId>> {
    let rows: Vec<(Uuid, String, Uuid)> =
        sqlx::query_as("SELECT customer_id, key, order_id FROM orders.idempotency_keys")
            .fetch_all(connection)
            .await?;
    let key = |(customer, key, order)| {
        ((CustomerId::from_uuid(customer), key), OrderId::from_uuid(order))
    };
    Ok(rows.into_iter().map(key).collect())
}

async fn products(connection: &mut PgConnection) -> Result<BTreeMap<Sku, Product>> {
    let rows: Vec<(String, String, i64, String, i64, bool)> = sqlx::query_as(
        "SELECT sku, name, price_minor, currency::text, version, discontinued_at IS NOT NULL
         FROM products.products",
    )
    .fetch_all(connection)
    .await?;
    let product =
        |(sku, name, minor, currency, version, is_discontinued): (String, _, _, String, i64, _)| {
            let price = money(minor, &currency)?;
            Ok((
                sku.parse()?,
                Product { name, price, version: version.try_into()?, is_discontinued },
            ))
        };
    rows.into_iter().map(product).collect()
}

async fn stock(connection: &mut PgConnection) -> Result<BTreeMap<Sku, Stock>> {
    let rows: Vec<(String, i32, i32, i64)> =
        sqlx::query_as("SELECT sku, on_hand, reserved, version FROM inventory.stock")
            .fetch_all(connection)
            .await?;
    let stock = |(sku, on_hand, reserved, version): (String, i32, i32, i64)| {
        let (on_hand, reserved) = (on_hand.try_into()?, reserved.try_into()?);
        Ok((sku.parse()?, Stock { on_hand, reserved, version: version.try_into()? }))
    };
    rows.into_iter().map(stock).collect()
}

type ReservationRow = (Uuid, String, Json<BTreeMap<Sku, u32>>);

async fn reservations(connection: &mut PgConnection) -> Result<BTreeMap<OrderId, Reservation>> {
    let rows: Vec<ReservationRow> =
        sqlx::query_as("SELECT order_id, status, lines FROM inventory.reservations")
            .fetch_all(connection)
            .await?;
    let reservation =
        |(order, status, Json(lines))| (OrderId::from_uuid(order), Reservation { status, lines });
    Ok(rows.into_iter().map(reservation).collect())
}

type PaymentRow = (Uuid, Uuid, String, Option<i64>, Option<String>, Option<String>, Option<String>);

async fn payments(connection: &mut PgConnection) -> Result<BTreeMap<OrderId, Payment>> {
    let rows: Vec<PaymentRow> = sqlx::query_as(
        "SELECT order_id, payment_id, state, amount_minor, currency::text, reference, failure
         FROM payments.payments",
    )
    .fetch_all(connection)
    .await?;
    let payment = |(order, id, state, minor, currency, reference, failure): PaymentRow| {
        let amount = minor.zip(currency).map(|(minor, currency)| money(minor, &currency));
        let amount = amount.transpose()?;
        let id = PaymentId::from_uuid(id);
        Ok((OrderId::from_uuid(order), Payment { id, state, amount, reference, failure }))
    };
    rows.into_iter().map(payment).collect()
}

fn money(minor: i64, currency: &str) -> Result<Money> {
    Ok(Money { minor, currency: currency.trim_end().parse()? })
}
