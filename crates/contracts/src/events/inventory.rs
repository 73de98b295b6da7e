use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::line::{self, Line};
use crate::{
    ids::{OrderId, Sku},
    text::text_enum,
    trace::TraceId,
};

/// All lines of an order are set aside for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct InventoryReserved {
    /// The order.
    pub order_id: OrderId,
    /// What is set aside: at least one line.
    #[serde(deserialize_with = "line::not_empty")]
    #[cfg_attr(feature = "schema", schemars(length(min = 1)))]
    pub reservations: Vec<Line>,
    /// When.
    pub reserved_at: DateTime<Utc>,
    /// The trace it belongs to.
    pub trace_id: TraceId,
}

/// Not every line could be set aside, so none is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct InventoryReservationFailed {
    /// The order.
    pub order_id: OrderId,
    /// Why.
    pub reason: ReservationFailureReason,
    /// A product there is too little of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sku: Option<Sku>,
    /// The trace it belongs to.
    pub trace_id: TraceId,
}

/// What was set aside for an order is free again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct InventoryReleased {
    /// The order.
    pub order_id: OrderId,
    /// What was set aside: at least one line.
    #[serde(deserialize_with = "line::not_empty")]
    #[cfg_attr(feature = "schema", schemars(length(min = 1)))]
    pub reservations: Vec<Line>,
    /// When.
    pub released_at: DateTime<Utc>,
    /// The trace it belongs to.
    pub trace_id: TraceId,
}

text_enum! {
    /// Why nothing was reserved.
    ReservationFailureReason {
        /// Too little of a product, or an unknown one.
        OutOfStock = "OUT_OF_STOCK",
    }
}
