use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::line::{self, Line};
use crate::{
    ids::{CustomerId, OrderId},
    money::{Amount, Currency},
    text::text_enum,
    trace::TraceId,
};

/// An order was placed, at the prices of the orders service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct OrderCreated {
    /// The order.
    pub order_id: OrderId,
    /// Whose it is.
    pub customer_id: CustomerId,
    /// What was ordered: at least one line.
    #[serde(deserialize_with = "line::not_empty")]
    #[cfg_attr(feature = "schema", schemars(length(min = 1)))]
    pub items: Vec<Line>,
    /// What it costs in all.
    pub total: Amount,
    /// Of the total.
    pub currency: Currency,
    /// When.
    pub created_at: DateTime<Utc>,
    /// When it is cancelled if it has not ended by then.
    pub expires_at: DateTime<Utc>,
    /// How to pay at once; without it the customer pays later.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub payment_method: Option<String>,
    /// The trace it belongs to.
    pub trace_id: TraceId,
}

/// An order reached a step that does not end it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct OrderUpdated {
    /// The order.
    pub order_id: OrderId,
    /// Whose it is.
    pub customer_id: CustomerId,
    /// Its status now.
    pub status: OrderStatus,
    /// The step it reached.
    pub step: OrderStep,
    /// Grows with every change of the order.
    pub version: u32,
    /// When.
    pub updated_at: DateTime<Utc>,
    /// The trace it belongs to.
    pub trace_id: TraceId,
}

/// An order ended by cancellation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct OrderCancelled {
    /// The order.
    pub order_id: OrderId,
    /// Whose it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub customer_id: Option<CustomerId>,
    /// Who or what cancelled it.
    pub reason: CancelReason,
    /// Grows with every change of the order.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<u32>,
    /// When.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cancelled_at: Option<DateTime<Utc>>,
    /// The trace it belongs to.
    pub trace_id: TraceId,
}

text_enum! {
    /// Whether and how an order ended.
    OrderStatus {
        /// Still on its way.
        Pending = "PENDING",
        /// Reserved and paid.
        Completed = "COMPLETED",
        /// Out of stock, or not paid.
        Failed = "FAILED",
        /// By the customer or the timer.
        Cancelled = "CANCELLED",
    }
}

text_enum! {
    /// How far an order is.
    OrderStep {
        /// Nothing happened yet.
        Created = "CREATED",
        /// The stock is set aside.
        InventoryReserved = "INVENTORY_RESERVED",
        /// The money is set aside.
        PaymentAuthorized = "PAYMENT_AUTHORIZED",
        /// Both are.
        Completed = "COMPLETED",
        /// One could not be.
        Failed = "FAILED",
        /// Given up before its end.
        Cancelled = "CANCELLED",
    }
}

text_enum! {
    /// Why an order was cancelled.
    CancelReason {
        /// The customer asked for it.
        Customer = "CUSTOMER",
        /// Its time was up.
        Expired = "EXPIRED",
    }
}
