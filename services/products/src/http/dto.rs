//! What goes over the wire.

use chrono::{DateTime, Utc};
use contracts::ids::Sku;
use contracts::money::{Amount, Currency};
use serde::{Deserialize, Serialize};
use service_kit::http::Problem;
use utoipa::{IntoParams, ToSchema};

use crate::cursor;
use crate::product::{Changes, MAX_CATEGORY, NewProduct};
use crate::store::{Listed, Search};

const DEFAULT_LIMIT: u32 = 20;
const MAX_LIMIT: u32 = 100;
const MAX_QUERY: usize = 100;

/// Which products to list.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ListQuery {
    /// Words; a product has for each a word that begins with it, in its SKU, name, category or
    /// description
    #[param(max_length = 100)]
    q: Option<String>,
    /// Only products of this category
    category: Option<String>,
    /// The most products on the page: 1 to 100, 20 if not given
    #[param(minimum = 1, maximum = 100)]
    limit: Option<u32>,
    /// `nextCursor` of the page before
    cursor: Option<String>,
}

impl ListQuery {
    /// Checks the parameters.
    pub fn search(self) -> Result<Search, Problem> {
        let limit = self.limit.unwrap_or(DEFAULT_LIMIT);
        if !(1..=MAX_LIMIT).contains(&limit) {
            let detail = format!("The parameter limit must be from 1 to {MAX_LIMIT}.");
            return Err(Problem::invalid_parameter("limit", detail));
        }
        let after = self.cursor.map(|cursor| {
            cursor::read(&cursor).ok_or_else(|| {
                Problem::invalid_parameter(
                    "cursor",
                    "The parameter cursor must be the nextCursor of a page before.",
                )
            })
        });
        Ok(Search {
            words: text("q", self.q, MAX_QUERY)?,
            category: text("category", self.category, MAX_CATEGORY)?,
            after: after.transpose()?,
            limit,
        })
    }
}

/// A parameter left empty, as forms do, is one not given.
fn text(
    name: &'static str,
    value: Option<String>,
    longest: usize,
) -> Result<Option<String>, Problem> {
    let Some(value) = value.map(|value| value.trim().to_owned()) else { return Ok(None) };
    if value.chars().count() > longest {
        let detail = format!("The parameter {name} may have at most {longest} characters.");
        return Err(Problem::invalid_parameter(name, detail));
    }
    Ok(Some(value).filter(|value| !value.is_empty()))
}

/// A page of the catalogue.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Page {
    items: Vec<ProductBody>,
    /// Asks for the next page; not there on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

impl Page {
    /// `found` may hold one product more than the page takes, which tells that there is a next page.
    pub fn of(mut found: Vec<Listed>, limit: u32) -> Self {
        let fits = usize::try_from(limit).unwrap_or(usize::MAX);
        let more = found.len() > fits;
        found.truncate(fits);
        let last = found.last().filter(|_| more);
        let next_cursor = last.map(|listed| cursor::after(&listed.product.sku));
        Self { items: found.into_iter().map(ProductBody::from).collect(), next_cursor }
    }
}

/// A product.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProductBody {
    #[schema(value_type = String, example = "MUG-BLUE")]
    sku: Sku,
    name: String,
    description: String,
    category: String,
    /// With all digits of the currency.
    #[schema(value_type = f64, example = 1499.00)]
    price: Amount,
    #[schema(value_type = String, example = "INR")]
    currency: Currency,
    /// Pieces that can be ordered; null while the warehouse has not told.
    available: Option<i64>,
    /// Whether it can no longer be ordered.
    discontinued: bool,
    /// Grows with every change but that of `available`.
    version: u64,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

impl From<Listed> for ProductBody {
    fn from(Listed { product, available }: Listed) -> Self {
        Self {
            sku: product.sku,
            name: product.name,
            description: product.description,
            category: product.category,
            price: product.price.amount(),
            currency: product.price.currency,
            available,
            discontinued: product.discontinued_at.is_some(),
            version: product.version,
            created_at: product.created_at,
            updated_at: product.updated_at,
        }
    }
}

/// A product to be.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ProductDraft {
    /// 1 to 64 letters, digits, `.`, `_` and `-`; neither `.` nor `..` alone.
    #[schema(value_type = String, example = "MUG-BLUE")]
    pub sku: Sku,
    #[schema(min_length = 1, max_length = 200)]
    name: String,
    #[serde(default)]
    #[schema(max_length = 2000)]
    description: String,
    #[schema(min_length = 1, max_length = 64)]
    category: String,
    /// From 0 to 1,000,000,000 of the currency's smallest unit.
    #[schema(value_type = f64, example = 1499.00)]
    price: Amount,
    /// An ISO 4217 code; stays for ever.
    #[schema(value_type = String, example = "INR")]
    currency: Currency,
}

impl From<ProductDraft> for NewProduct {
    fn from(draft: ProductDraft) -> Self {
        Self {
            sku: draft.sku,
            name: draft.name,
            description: draft.description,
            category: draft.category,
            price: draft.price,
            currency: draft.currency,
        }
    }
}

/// What is to change; at least one field.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ProductChanges {
    #[schema(min_length = 1, max_length = 200)]
    name: Option<String>,
    #[schema(max_length = 2000)]
    description: Option<String>,
    #[schema(min_length = 1, max_length = 64)]
    category: Option<String>,
    /// In the product's currency.
    #[schema(value_type = Option<f64>, example = 1299.00)]
    price: Option<Amount>,
}

impl From<ProductChanges> for Changes {
    fn from(changes: ProductChanges) -> Self {
        Self {
            name: changes.name,
            description: changes.description,
            category: changes.category,
            price: changes.price,
        }
    }
}
