//! What requests and answers hold.

use contracts::events::Email;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::credentials::{NewPassword, Password, deserialize_email, deserialize_new_email};
use crate::user::User;

/// What somebody signs up with.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewCredentials {
    /// Blanks around it and capitals do not matter. Neither quotes nor letters beyond ASCII.
    #[serde(deserialize_with = "deserialize_new_email")]
    #[schema(value_type = String, format = "email", max_length = 254, example = "asha@example.org")]
    pub email: Email,
    /// Any 8 to 128 characters.
    #[schema(value_type = String, format = "password", min_length = 8, max_length = 128)]
    pub password: NewPassword,
}

/// What somebody signs in with.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Credentials {
    /// Blanks around it and capitals do not matter.
    #[serde(deserialize_with = "deserialize_email")]
    #[schema(value_type = String, format = "email", max_length = 254, example = "asha@example.org")]
    pub email: Email,
    #[schema(value_type = String, format = "password", max_length = 128)]
    pub password: Password,
}

/// Who is signed in, and the tokens that prove it.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SignedInBody {
    pub user: UserBody,
    /// To be sent as `Authorization: Bearer …`. Browsers have it as the cookie `access_token` too.
    pub access_token: String,
    #[schema(example = "Bearer")]
    pub token_type: &'static str,
    /// Seconds the access token is valid.
    pub expires_in: i64,
    /// Works once. Browsers have it as the cookie `refresh_token` too.
    pub refresh_token: String,
    /// Seconds the refresh token is valid.
    pub refresh_expires_in: i64,
}

/// A user.
#[derive(Serialize, ToSchema)]
pub struct UserBody {
    #[schema(example = "cust_01k2pmez21eeh83cp3tkjzc2q9")]
    pub id: String,
    pub email: String,
    /// `customer` or `admin`.
    #[schema(example = "customer")]
    pub role: &'static str,
}

impl From<User> for UserBody {
    fn from(user: User) -> Self {
        Self {
            id: user.id.to_string(),
            email: user.email.as_str().to_owned(),
            role: user.role.as_str(),
        }
    }
}
