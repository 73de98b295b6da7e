use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{
    ids::Sku,
    money::{Amount, Currency},
    trace::TraceId,
};

/// A product can be ordered from now on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ProductCreated {
    /// The product.
    pub sku: Sku,
    /// What customers read.
    pub name: String,
    /// Of one piece.
    pub price: Amount,
    /// Of the price.
    pub currency: Currency,
    /// Grows with every change of the product.
    pub version: u64,
    /// When.
    pub created_at: DateTime<Utc>,
    /// The trace it belongs to.
    pub trace_id: TraceId,
}

/// A product changed; carries all of it, so that a copy can be made from it alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ProductUpdated {
    /// The product.
    pub sku: Sku,
    /// What customers read.
    pub name: String,
    /// Of one piece.
    pub price: Amount,
    /// Of the price.
    pub currency: Currency,
    /// Grows with every change of the product.
    pub version: u64,
    /// When.
    pub updated_at: DateTime<Utc>,
    /// The trace it belongs to.
    pub trace_id: TraceId,
}

/// A product can no longer be ordered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ProductDiscontinued {
    /// The product.
    pub sku: Sku,
    /// Grows with every change of the product.
    pub version: u64,
    /// When.
    pub discontinued_at: DateTime<Utc>,
    /// The trace it belongs to.
    pub trace_id: TraceId,
}
