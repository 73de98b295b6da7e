use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{
    ids::{CustomerId, OrderId},
    money::{Amount, Currency},
    text::text_enum,
    trace::TraceId,
};

/// An order is reserved and paid: it will be delivered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct OrderCompleted {
    /// The order.
    pub order_id: OrderId,
    /// Whose it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub customer_id: Option<CustomerId>,
    /// Grows with every change of the order.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<u32>,
    /// What it costs in all; comes with its currency.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total: Option<Amount>,
    /// Of the total.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub currency: Option<Currency>,
    /// When.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub completed_at: Option<DateTime<Utc>>,
    /// The trace it belongs to.
    pub trace_id: TraceId,
}

/// An order cannot be fulfilled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct OrderFailed {
    /// The order.
    pub order_id: OrderId,
    /// Why.
    pub reason: OrderFailureReason,
    /// Whose it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub customer_id: Option<CustomerId>,
    /// Grows with every change of the order.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<u32>,
    /// When.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failed_at: Option<DateTime<Utc>>,
    /// The trace it belongs to.
    pub trace_id: TraceId,
}

text_enum! {
    /// Why an order failed.
    OrderFailureReason {
        /// Its stock could not be reserved.
        OutOfStock = "OUT_OF_STOCK",
        /// It was not paid.
        PaymentFailed = "PAYMENT_FAILED",
    }
}
