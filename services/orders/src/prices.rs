//! This service's copy of the catalogue: the prices of new orders.

use std::collections::{BTreeMap, HashMap};

use contracts::events::Event;
use contracts::ids::Sku;
use contracts::money::{Money, MoneyError};
use sqlx::PgConnection;

use crate::quote::Price;

/// What an event says of a product.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct News {
    /// The product's version from then on.
    pub version: u64,
    /// The price of one piece; `None` where it can no longer be ordered.
    pub price: Option<Money>,
}

impl News {
    /// The product an event is about and what it says of it, if it is about one.
    pub fn of(event: &Event) -> Result<Option<(&Sku, Self)>, MoneyError> {
        let (sku, version, price) = match event {
            Event::ProductCreated(e) => (&e.sku, e.version, Some((e.price, e.currency))),
            Event::ProductUpdated(e) => (&e.sku, e.version, Some((e.price, e.currency))),
            Event::ProductDiscontinued(e) => (&e.sku, e.version, None),
            _ => return Ok(None),
        };
        let price = price.map(|(amount, currency)| Money::from_amount(amount, currency));
        Ok(Some((sku, Self { version, price: price.transpose()? })))
    }
}

/// Keeps the latest news of each product. What is older than the row, or as old, changes nothing.
pub async fn keep(connection: &mut PgConnection, news: &BTreeMap<&Sku, News>) -> sqlx::Result<()> {
    let prices = || news.values().map(|news| news.price);
    let version = |news: &News| i64::try_from(news.version).unwrap_or(i64::MAX);
    sqlx::query(
        "INSERT INTO prices AS known (sku, version, active, price_minor, currency)
         SELECT sku, version, price_minor IS NOT NULL, price_minor, currency
         FROM UNNEST($1::text[], $2::bigint[], $3::bigint[], $4::text[])
              AS row (sku, version, price_minor, currency)
         ORDER BY sku COLLATE \"C\"
         ON CONFLICT (sku) DO UPDATE
         SET version = excluded.version, active = excluded.active,
             price_minor = coalesce(excluded.price_minor, known.price_minor),
             currency = coalesce(excluded.currency, known.currency)
         WHERE known.version < excluded.version",
    )
    .bind(news.keys().map(|sku| sku.as_str()).collect::<Vec<_>>())
    .bind(news.values().map(version).collect::<Vec<_>>())
    .bind(prices().map(|price| price.map(|price| price.minor)).collect::<Vec<_>>())
    .bind(prices().map(|price| price.map(|price| price.currency.code())).collect::<Vec<_>>())
    .execute(connection)
    .await?;
    Ok(())
}

/// The prices of some products. Those that were never on sale are left out.
pub async fn load<'s>(
    connection: &mut PgConnection,
    skus: impl IntoIterator<Item = &'s Sku>,
) -> sqlx::Result<HashMap<Sku, Price>> {
    let mut skus: Vec<_> = skus.into_iter().map(Sku::as_str).collect();
    skus.sort_unstable();
    skus.dedup();
    let rows: Vec<(String, i64, String, bool)> = sqlx::query_as(
        "SELECT sku, price_minor, currency, active FROM prices
         WHERE sku = ANY($1) AND price_minor IS NOT NULL",
    )
    .bind(skus)
    .fetch_all(connection)
    .await?;
    let price = |(sku, minor, currency, active): (String, i64, String, bool)| {
        let currency = currency.parse().map_err(|error| sqlx::Error::Decode(Box::new(error)))?;
        let sku = sku.parse().map_err(|error| sqlx::Error::Decode(Box::new(error)))?;
        Ok((sku, Price { each: Money { minor, currency }, active }))
    };
    rows.into_iter().map(price).collect()
}
