//! The bodies of requests and responses.

use chrono::{DateTime, Utc};
use contracts::ids::{OrderId, PaymentId};
use contracts::money::{Amount, Currency};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::payment::{Bill, Payment};

/// An order to pay.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PayOrder {
    /// One's own order.
    #[schema(value_type = String, example = "ord_01h455vb4pex5vsknk084sn02q")]
    pub order_id: OrderId,
    /// What to pay with, as the payment provider knows it.
    #[schema(example = "pm_card_ok")]
    pub payment_method: String,
}

/// The payment of an order, and where it stands.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Payment)]
pub struct PaymentBody {
    /// The payment.
    #[schema(value_type = String, example = "pay_01h455vb4pex5vsknk084sn02q")]
    payment_id: PaymentId,
    /// The order it is for.
    #[schema(value_type = String, example = "ord_01h455vb4pex5vsknk084sn02q")]
    order_id: OrderId,
    /// `AWAITING` (the stock or a payment method), `AUTHORIZING`, `AUTHORIZED`, `CAPTURING`,
    /// `CAPTURED`, `FAILED`; and when the order ends otherwise, `VOIDING`, `VOIDED`, `REFUNDING`,
    /// `REFUNDED`, or `CANCELLED` where nothing had been asked of the provider.
    #[schema(example = "AUTHORIZED")]
    status: &'static str,
    /// What the order costs in all.
    #[schema(value_type = f64, example = 1499.00)]
    amount: Amount,
    /// Of the amount.
    #[schema(value_type = String, example = "INR")]
    currency: Currency,
    /// What it is paid with, if that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    payment_method: Option<String>,
    /// Why it failed, such as `CARD_DECLINED`.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// When the order was first heard of.
    created_at: DateTime<Utc>,
    /// When it changed last.
    updated_at: DateTime<Utc>,
}

impl PaymentBody {
    pub fn new(payment: Payment, bill: Bill) -> Self {
        Self {
            payment_id: payment.id,
            order_id: payment.order,
            status: payment.state.as_str(),
            amount: bill.amount.amount(),
            currency: bill.amount.currency,
            payment_method: payment.method,
            reason: payment.failure.map(|reason| reason.as_str().to_owned()),
            created_at: payment.created_at,
            updated_at: payment.updated_at,
        }
    }
}
