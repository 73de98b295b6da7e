use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{ids::OrderId, trace::TraceId};

/// The time of an open order is up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ExpirationCompleted {
    /// The order.
    pub order_id: OrderId,
    /// When.
    pub expired_at: DateTime<Utc>,
    /// The trace it belongs to.
    pub trace_id: TraceId,
}
