//! This service's copy of the catalogue: the prices of new orders.

use std::collections::BTreeMap;

use contracts::ids::Sku;
use contracts::money::Money;
use sqlx::PgConnection;

use crate::news::News;
use crate::quote::Price;

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
) -> sqlx::Result<BTreeMap<Sku, Price>> {
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
