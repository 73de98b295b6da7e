//! A user.

use contracts::events::{Email, Role};
use contracts::ids::CustomerId;

/// Somebody who signed up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// Never changes.
    pub id: CustomerId,
    /// Normalised.
    pub email: Email,
    /// What they may do.
    pub role: Role,
}
