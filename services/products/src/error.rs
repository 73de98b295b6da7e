//! Refusals as clients read them.

use axum::http::StatusCode;
use service_kit::http::Problem;

use crate::product::Refusal;

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Taken => Problem::conflict(
                "sku-taken",
                "There is a product of this SKU already, perhaps a discontinued one; choose another.",
            )
            .with_field("sku"),
            Refusal::Unknown => unknown(),
            Refusal::OtherVersion => Problem::new(
                StatusCode::PRECONDITION_FAILED,
                "precondition-failed",
                "The product has changed meanwhile; read it again and repeat with its new ETag.",
            )
            .with_field("If-Match"),
            Refusal::Discontinued => Problem::conflict(
                "product-discontinued",
                "The product is discontinued and can no longer be changed.",
            ),
            Refusal::Empty => Problem::invalid_field(
                "body",
                "Give at least one of name, description, category and price.",
            ),
            Refusal::Invalid { field, must } => {
                Problem::invalid_field(field, format!("The field {field} {must}."))
            }
        }
    }
}

/// 404 for a SKU that the catalogue has not.
pub fn unknown() -> Problem {
    Problem::not_found("There is no product of this SKU.")
}
