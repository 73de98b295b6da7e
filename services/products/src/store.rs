//! The catalogue in Postgres.

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use contracts::{ids::Sku, money::Money};
use sqlx::{FromRow, PgConnection, PgPool, Postgres, QueryBuilder, Row as _, postgres::PgRow};

use crate::product::Product;

/// A product with what is left of it.
#[derive(Debug, Clone)]
pub struct Listed {
    pub product: Product,
    /// Pieces that can be ordered; `None` while the warehouse has not told.
    pub available: Option<i64>,
}

/// What a page of the catalogue shows.
#[derive(Debug, Clone)]
pub struct Search {
    /// Words, of each of which a product must have one that begins with it.
    pub words: Option<String>,
    pub category: Option<String>,
    /// Only products behind this one.
    pub after: Option<Sku>,
    pub limit: u32,
}

/// What the warehouse told of a SKU.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Level {
    pub available: i64,
    pub version: i64,
}

const COLUMNS: &str = "p.sku, p.name, p.description, p.category, p.price_minor, p.currency, \
                       p.version, p.discontinued_at, p.created_at, p.updated_at";

/// The product, locked until the end of the transaction.
pub async fn lock(connection: &mut PgConnection, sku: &Sku) -> sqlx::Result<Option<Product>> {
    QueryBuilder::new("SELECT ")
        .push(COLUMNS)
        .push(" FROM products p WHERE p.sku = ")
        .push_bind(sku.as_str())
        .push(" FOR UPDATE")
        .build_query_as()
        .fetch_optional(connection)
        .await
}

pub async fn find(pool: &PgPool, sku: &Sku) -> sqlx::Result<Option<Listed>> {
    listed()
        .push(" WHERE p.sku = ")
        .push_bind(sku.as_str())
        .build_query_as()
        .fetch_optional(pool)
        .await
}

/// Pieces that can be ordered; `None` while the warehouse has not told.
pub async fn available(connection: &mut PgConnection, sku: &Sku) -> sqlx::Result<Option<i64>> {
    sqlx::query_scalar("SELECT available FROM stock WHERE sku = $1")
        .bind(sku.as_str())
        .fetch_optional(connection)
        .await
}

/// Products that can be ordered, by SKU.
pub async fn search(pool: &PgPool, search: &Search) -> sqlx::Result<Vec<Listed>> {
    let mut query = listed();
    query.push(" WHERE p.discontinued_at IS NULL");
    if let Some(words) = &search.words {
        // Without a letter or digit there is no query, which matches nothing. In an array, since the
        // planner would rather walk the products by SKU until enough of them match.
        query
            .push(
                " AND p.sku = ANY (ARRAY(
                     SELECT found.sku
                     FROM NULLIF(btrim(search_text(",
            )
            .push_bind(words)
            .push(
                ")), '') AS words,
                     to_tsquery('simple', replace(words, ' ', ':* & ') || ':*') AS query,
                     products AS found
                     WHERE found.search @@ query))",
            );
    }
    if let Some(category) = &search.category {
        query.push(" AND p.category = ").push_bind(category);
    }
    if let Some(after) = &search.after {
        query.push(" AND p.sku > ").push_bind(after.as_str());
    }
    // One more tells whether there is a next page.
    query.push(" ORDER BY p.sku LIMIT ").push_bind(i64::from(search.limit) + 1);
    query.build_query_as().fetch_all(pool).await
}

fn listed() -> QueryBuilder<Postgres> {
    let mut query = QueryBuilder::new("SELECT ");
    query.push(COLUMNS).push(", s.available FROM products p LEFT JOIN stock s ON s.sku = p.sku");
    query
}

/// Adds products; returns the SKUs of those that were not there.
pub async fn insert(
    connection: &mut PgConnection,
    products: &[Product],
) -> sqlx::Result<HashSet<String>> {
    let column = |of: fn(&Product) -> &str| -> Vec<&str> { products.iter().map(of).collect() };
    let versions = products.iter().map(|product| stored(product.version));
    let times = |of: fn(&Product) -> DateTime<Utc>| products.iter().map(of).collect::<Vec<_>>();
    let inserted: Vec<String> = sqlx::query_scalar(
        "INSERT INTO products (sku, name, description, category, price_minor, currency, version,
                               created_at, updated_at)
         SELECT * FROM UNNEST($1::text[], $2::text[], $3::text[], $4::text[], $5::bigint[],
                              $6::text[], $7::bigint[], $8::timestamptz[], $9::timestamptz[])
                  AS new (sku)
         ORDER BY new.sku COLLATE \"C\"
         ON CONFLICT (sku) DO NOTHING RETURNING sku",
    )
    .bind(column(|product| product.sku.as_str()))
    .bind(column(|product| &product.name))
    .bind(column(|product| &product.description))
    .bind(column(|product| &product.category))
    .bind(products.iter().map(|product| product.price.minor).collect::<Vec<_>>())
    .bind(column(|product| product.price.currency.code()))
    .bind(versions.collect::<sqlx::Result<Vec<_>>>()?)
    .bind(times(|product| product.created_at))
    .bind(times(|product| product.updated_at))
    .fetch_all(connection)
    .await?;
    Ok(inserted.into_iter().collect())
}

/// Writes a changed product back.
pub async fn update(connection: &mut PgConnection, product: &Product) -> sqlx::Result<()> {
    sqlx::query(
        "UPDATE products SET name = $2, description = $3, category = $4, price_minor = $5,
                             version = $6, discontinued_at = $7, updated_at = $8
         WHERE sku = $1",
    )
    .bind(product.sku.as_str())
    .bind(&product.name)
    .bind(&product.description)
    .bind(&product.category)
    .bind(product.price.minor)
    .bind(stored(product.version)?)
    .bind(product.discontinued_at)
    .bind(product.updated_at)
    .execute(connection)
    .await?;
    Ok(())
}

/// Keeps what the warehouse told, unless something newer is known. Each SKU at most once.
pub async fn record_stock(
    connection: &mut PgConnection,
    levels: impl IntoIterator<Item = (&Sku, Level)>,
) -> sqlx::Result<()> {
    let (skus, levels): (Vec<_>, Vec<_>) =
        levels.into_iter().map(|(sku, level)| (sku.as_str(), level)).unzip();
    sqlx::query(
        "INSERT INTO stock (sku, available, version)
         SELECT * FROM UNNEST($1::text[], $2::bigint[], $3::bigint[]) AS told (sku)
         ORDER BY told.sku COLLATE \"C\"
         ON CONFLICT (sku) DO UPDATE
         SET available = excluded.available, version = excluded.version
         WHERE stock.version < excluded.version",
    )
    .bind(skus)
    .bind(levels.iter().map(|level| level.available).collect::<Vec<_>>())
    .bind(levels.iter().map(|level| level.version).collect::<Vec<_>>())
    .execute(connection)
    .await?;
    Ok(())
}

fn stored(version: u64) -> sqlx::Result<i64> {
    i64::try_from(version).map_err(|error| sqlx::Error::Encode(error.into()))
}

impl FromRow<'_, PgRow> for Product {
    fn from_row(row: &PgRow) -> sqlx::Result<Self> {
        let sku: String = row.try_get("sku")?;
        let currency: String = row.try_get("currency")?;
        let version: i64 = row.try_get("version")?;
        Ok(Self {
            sku: sku.parse().map_err(decode)?,
            name: row.try_get("name")?,
            description: row.try_get("description")?,
            category: row.try_get("category")?,
            price: Money {
                minor: row.try_get("price_minor")?,
                currency: currency.parse().map_err(decode)?,
            },
            version: version.try_into().map_err(decode)?,
            discontinued_at: row.try_get("discontinued_at")?,
            created_at: row.try_get("created_at")?,
            updated_at: row.try_get("updated_at")?,
        })
    }
}

impl FromRow<'_, PgRow> for Listed {
    fn from_row(row: &PgRow) -> sqlx::Result<Self> {
        Ok(Self { product: Product::from_row(row)?, available: row.try_get("available")? })
    }
}

fn decode(error: impl std::error::Error + Send + Sync + 'static) -> sqlx::Error {
    sqlx::Error::Decode(error.into())
}
