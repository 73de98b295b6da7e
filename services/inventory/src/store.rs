//! Stock and reservations in Postgres.
//!
//! Whoever changes both locks reservations first, and rows of one table in the order of their keys.

use std::collections::BTreeMap;

use contracts::ids::{OrderId, Sku};
use sqlx::error::DatabaseError;
use sqlx::types::Json;
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

use crate::reservation::{Reservation, Status};
use crate::stock::{Level, Stock};

/// Postgres' name for the check that no more is reserved than is on hand.
const NEVER_MORE_THAN_THERE_IS: &str = "stock_check";

/// What is decided about these orders so far, locked until the end of the transaction.
pub async fn lock_reservations(
    connection: &mut PgConnection,
    orders: &[OrderId],
) -> sqlx::Result<BTreeMap<OrderId, Reservation>> {
    type Row = (Uuid, String, Json<BTreeMap<Sku, u32>>);

    let ids: Vec<Uuid> = orders.iter().map(|order| order.as_uuid()).collect();
    let rows: Vec<Row> = sqlx::query_as(
        "SELECT order_id, status, lines FROM reservations
         WHERE order_id = ANY($1) ORDER BY order_id FOR UPDATE",
    )
    .bind(ids)
    .fetch_all(connection)
    .await?;
    rows.into_iter()
        .map(|(order, status, Json(lines))| {
            Ok((OrderId::from_uuid(order), Reservation { status: status_of(&status)?, lines }))
        })
        .collect()
}

/// The stock of those of these products that are known, locked until the end of the transaction.
pub async fn lock_stock(
    connection: &mut PgConnection,
    skus: impl IntoIterator<Item = &Sku>,
) -> sqlx::Result<BTreeMap<Sku, Stock>> {
    let skus: Vec<&str> = skus.into_iter().map(Sku::as_str).collect();
    if skus.is_empty() {
        return Ok(BTreeMap::new());
    }
    let rows: Vec<StockRow> = sqlx::query_as(
        "SELECT sku, on_hand, reserved, version FROM stock
         WHERE sku = ANY($1) ORDER BY sku FOR UPDATE",
    )
    .bind(skus)
    .fetch_all(connection)
    .await?;
    rows.into_iter().map(StockRow::read).collect()
}

/// The stock of a product, if it is known.
pub async fn find_stock(pool: &PgPool, sku: &Sku) -> sqlx::Result<Option<Stock>> {
    let row: Option<StockRow> =
        sqlx::query_as("SELECT sku, on_hand, reserved, version FROM stock WHERE sku = $1")
            .bind(sku.as_str())
            .fetch_optional(pool)
            .await?;
    row.map(|row| Ok(row.read()?.1)).transpose()
}

/// Keeps new reservations. Fails with a unique violation where a concurrent transaction was first.
pub async fn insert_reservations(
    connection: &mut PgConnection,
    reservations: &[(OrderId, Reservation)],
) -> sqlx::Result<()> {
    let (ids, statuses) = ids_and_statuses(reservations);
    let lines: Vec<_> = reservations.iter().map(|(_, held)| Json(&held.lines)).collect();
    sqlx::query(
        "INSERT INTO reservations (order_id, status, lines, updated_at)
         SELECT order_id, status, lines, now()
         FROM UNNEST($1::uuid[], $2::text[], $3::jsonb[]) AS new (order_id, status, lines)
         ORDER BY order_id",
    )
    .bind(ids)
    .bind(statuses)
    .bind(lines)
    .execute(connection)
    .await?;
    Ok(())
}

/// Writes the status of locked reservations; their lines never change.
pub async fn update_reservations(
    connection: &mut PgConnection,
    reservations: &[(OrderId, Reservation)],
) -> sqlx::Result<()> {
    let (ids, statuses) = ids_and_statuses(reservations);
    sqlx::query(
        "UPDATE reservations SET status = new.status, updated_at = now()
         FROM UNNEST($1::uuid[], $2::text[]) AS new (order_id, status)
         WHERE reservations.order_id = new.order_id",
    )
    .bind(ids)
    .bind(statuses)
    .execute(connection)
    .await?;
    Ok(())
}

/// Writes locked stock.
pub async fn update_stock(
    connection: &mut PgConnection,
    stock: &[(Sku, Stock)],
) -> sqlx::Result<()> {
    let (mut skus, mut on_hand, mut reserved, mut versions) = (vec![], vec![], vec![], vec![]);
    for (sku, Stock { level, version }) in stock {
        skus.push(sku.as_str());
        on_hand.push(stored::<_, i32>(level.on_hand())?);
        reserved.push(stored::<_, i32>(level.reserved())?);
        versions.push(stored::<_, i64>(*version)?);
    }
    sqlx::query(
        "UPDATE stock SET on_hand = new.on_hand, reserved = new.reserved,
                          version = new.version, updated_at = now()
         FROM UNNEST($1::text[], $2::int[], $3::int[], $4::bigint[])
              AS new (sku, on_hand, reserved, version)
         WHERE stock.sku = new.sku",
    )
    .bind(skus)
    .bind(on_hand)
    .bind(reserved)
    .bind(versions)
    .execute(connection)
    .await
    .inspect_err(|error| {
        let constraint = error.as_database_error().and_then(DatabaseError::constraint);
        if constraint == Some(NEVER_MORE_THAN_THERE_IS) {
            metrics::counter!("oversell_guard_hits_total").increment(1);
        }
    })?;
    Ok(())
}

/// Gives products that have none a stock of [`Stock::NEW`], and returns which.
pub async fn add_stock(
    connection: &mut PgConnection,
    skus: impl IntoIterator<Item = &Sku>,
) -> sqlx::Result<Vec<Sku>> {
    let skus: Vec<&str> = skus.into_iter().map(Sku::as_str).collect();
    let added: Vec<String> = sqlx::query_scalar(
        "INSERT INTO stock (sku, on_hand, reserved, version, updated_at)
         SELECT sku, $2, $3, $4, now() FROM UNNEST($1::text[]) AS new (sku)
         ORDER BY sku COLLATE \"C\"
         ON CONFLICT (sku) DO NOTHING RETURNING sku",
    )
    .bind(skus)
    .bind(stored::<_, i32>(Stock::NEW.level.on_hand())?)
    .bind(stored::<_, i32>(Stock::NEW.level.reserved())?)
    .bind(stored::<_, i64>(Stock::NEW.version)?)
    .fetch_all(connection)
    .await?;
    added.into_iter().map(|sku| sku.parse().map_err(unreadable)).collect()
}

#[derive(sqlx::FromRow)]
struct StockRow {
    sku: String,
    on_hand: i32,
    reserved: i32,
    version: i64,
}

impl StockRow {
    fn read(self) -> sqlx::Result<(Sku, Stock)> {
        let on_hand = self.on_hand.try_into().map_err(unreadable)?;
        let reserved = self.reserved.try_into().map_err(unreadable)?;
        let level = Level::new(on_hand, reserved)
            .ok_or_else(|| sqlx::Error::Decode("more is reserved than is on hand".into()))?;
        let stock = Stock { level, version: self.version.try_into().map_err(unreadable)? };
        Ok((self.sku.parse().map_err(unreadable)?, stock))
    }
}

fn ids_and_statuses(reservations: &[(OrderId, Reservation)]) -> (Vec<Uuid>, Vec<&'static str>) {
    reservations.iter().map(|(order, held)| (order.as_uuid(), status_text(held.status))).unzip()
}

fn status_text(status: Status) -> &'static str {
    match status {
        Status::Reserved => "RESERVED",
        Status::Rejected => "REJECTED",
        Status::Released => "RELEASED",
        Status::Deducted => "DEDUCTED",
    }
}

fn status_of(text: &str) -> sqlx::Result<Status> {
    match text {
        "RESERVED" => Ok(Status::Reserved),
        "REJECTED" => Ok(Status::Rejected),
        "RELEASED" => Ok(Status::Released),
        "DEDUCTED" => Ok(Status::Deducted),
        _ => Err(sqlx::Error::Decode(format!("{text:?} is no status of a reservation").into())),
    }
}

fn stored<T, U: TryFrom<T>>(number: T) -> sqlx::Result<U>
where
    U::Error: std::error::Error + Send + Sync + 'static,
{
    U::try_from(number).map_err(|error| sqlx::Error::Encode(error.into()))
}

fn unreadable(error: impl std::error::Error + Send + Sync + 'static) -> sqlx::Error {
    sqlx::Error::Decode(error.into())
}
