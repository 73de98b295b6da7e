use std::{convert::Infallible, fmt, str::FromStr};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{
    ids::{OrderId, PaymentId},
    money::{Amount, Currency},
    text::serde_as_text,
    trace::TraceId,
};

/// The money for an order is set aside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct PaymentAuthorized {
    /// The order.
    pub order_id: OrderId,
    /// How much.
    pub amount: Amount,
    /// Of the amount.
    pub currency: Currency,
    /// The payment.
    pub payment_id: PaymentId,
    /// When.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub authorized_at: Option<DateTime<Utc>>,
    /// The trace it belongs to.
    pub trace_id: TraceId,
}

/// An order will not be paid.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct PaymentFailed {
    /// The order.
    pub order_id: OrderId,
    /// Why.
    pub reason: PaymentFailureReason,
    /// The payment, if there was one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub payment_id: Option<PaymentId>,
    /// When.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failed_at: Option<DateTime<Utc>>,
    /// The trace it belongs to.
    pub trace_id: TraceId,
}

/// The money set aside was taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct PaymentCaptured {
    /// The order.
    pub order_id: OrderId,
    /// How much.
    pub amount: Amount,
    /// Of the amount.
    pub currency: Currency,
    /// The payment.
    pub payment_id: PaymentId,
    /// When.
    pub captured_at: DateTime<Utc>,
    /// The trace it belongs to.
    pub trace_id: TraceId,
}

/// The money set aside is free again and was never taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct PaymentVoided {
    /// The order.
    pub order_id: OrderId,
    /// How much.
    pub amount: Amount,
    /// Of the amount.
    pub currency: Currency,
    /// The payment.
    pub payment_id: PaymentId,
    /// When.
    pub voided_at: DateTime<Utc>,
    /// The trace it belongs to.
    pub trace_id: TraceId,
}

/// The money taken was given back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct PaymentRefunded {
    /// The order.
    pub order_id: OrderId,
    /// How much.
    pub amount: Amount,
    /// Of the amount.
    pub currency: Currency,
    /// The payment.
    pub payment_id: PaymentId,
    /// When.
    pub refunded_at: DateTime<Utc>,
    /// The trace it belongs to.
    pub trace_id: TraceId,
}

/// Why a payment failed. Providers know more reasons than we do: those are
/// kept as they came.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[cfg_attr(
    feature = "schema",
    derive(schemars::JsonSchema),
    schemars(with = "String", extend("examples" = ["CARD_DECLINED"]))
)]
pub enum PaymentFailureReason {
    /// `CARD_DECLINED`.
    CardDeclined,
    /// Any other; made by parsing, so that it never names a known one.
    Other(OtherReason),
}

/// A reason without a name of its own here.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct OtherReason(String);

impl PaymentFailureReason {
    /// The reason as on the wire.
    pub fn as_str(&self) -> &str {
        match self {
            PaymentFailureReason::CardDeclined => "CARD_DECLINED",
            PaymentFailureReason::Other(OtherReason(reason)) => reason,
        }
    }
}

impl From<&str> for PaymentFailureReason {
    fn from(reason: &str) -> Self {
        match reason {
            "CARD_DECLINED" => PaymentFailureReason::CardDeclined,
            other => PaymentFailureReason::Other(OtherReason(other.to_owned())),
        }
    }
}

impl FromStr for PaymentFailureReason {
    type Err = Infallible;

    fn from_str(reason: &str) -> Result<Self, Infallible> {
        Ok(reason.into())
    }
}

impl fmt::Display for PaymentFailureReason {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

serde_as_text!(PaymentFailureReason);
