use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{ids::Sku, trace::TraceId};

/// The stock of a product changed; at most one a product a transaction.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct StockChanged {
    /// The product.
    pub sku: Sku,
    /// Pieces in the warehouse.
    pub on_hand: u32,
    /// Pieces of those that open orders hold.
    pub reserved: u32,
    /// Pieces that can be ordered: on hand less reserved.
    pub available: u32,
    /// Grows with every change of this stock.
    pub version: u64,
    /// When.
    pub changed_at: DateTime<Utc>,
    /// The trace it belongs to.
    pub trace_id: TraceId,
}
