use serde::{Deserialize, Deserializer, Serialize, de::Error};

use crate::ids::Sku;

/// Pieces of one product, in an order or a reservation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Line {
    /// The product.
    pub sku: Sku,
    /// Pieces: at least 1.
    #[serde(deserialize_with = "positive")]
    #[cfg_attr(feature = "schema", schemars(range(min = 1)))]
    pub qty: u32,
}

fn positive<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    match u32::deserialize(deserializer)? {
        0 => Err(D::Error::custom("must be at least 1")),
        qty => Ok(qty),
    }
}

pub(super) fn not_empty<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Line>, D::Error> {
    let lines = Vec::deserialize(deserializer)?;
    if lines.is_empty() { Err(D::Error::custom("must not be empty")) } else { Ok(lines) }
}
