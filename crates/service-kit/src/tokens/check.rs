//! The check of one token with one key.

use chrono::{DateTime, TimeDelta, Utc};
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};

use super::{AUDIENCE, Caller, Claims, ISSUER};

/// How far the clocks of two machines may be apart, in seconds.
const LEEWAY_SECONDS: u32 = 10;

/// A published key.
#[derive(Clone)]
pub(super) struct Key {
    pub(super) public: DecodingKey,
    pub(super) not_before: DateTime<Utc>,
    pub(super) expires_at: DateTime<Utc>,
}

/// Why a token was not accepted.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// It is no token of ours, or no longer.
    #[error("the token is not valid")]
    Invalid(#[source] jsonwebtoken::errors::Error),
    /// It names no key, or one that auth has not published or that is past its time.
    #[error("the token's key is not known")]
    UnknownKey,
    /// The key may be in the database, which cannot be asked now.
    #[error("the signing keys cannot be read now")]
    Unavailable(#[source] Option<sqlx::Error>),
}

fn leeway() -> TimeDelta {
    TimeDelta::seconds(i64::from(LEEWAY_SECONDS))
}

impl Key {
    /// Whether it is good at this time.
    pub(super) fn check_time(&self, now: DateTime<Utc>) -> Result<(), TokenError> {
        if now + leeway() < self.not_before || now >= self.expires_at {
            return Err(TokenError::UnknownKey);
        }
        Ok(())
    }
}

/// Whom a token is of, and until when.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bearer {
    pub(super) caller: Caller,
    /// In seconds since 1970.
    pub(super) until: i64,
}

impl Bearer {
    /// Who it is, if the token is still good at this time.
    pub(super) fn at(&self, now: DateTime<Utc>) -> Result<Caller, TokenError> {
        if self.until < (now - leeway()).timestamp() {
            return Err(TokenError::Invalid(ErrorKind::ExpiredSignature.into()));
        }
        Ok(self.caller)
    }
}

/// Who the token's bearer is, by all that does not change with time.
pub(super) fn check(token: &str, key: &Key) -> Result<Bearer, TokenError> {
    let mut validation = Validation::new(Algorithm::EdDSA);
    // By the clock of the process it would.
    validation.validate_exp = false;
    validation.set_issuer(&[ISSUER]);
    validation.set_audience(&[AUDIENCE]);
    validation.validate_nbf = true;
    validation.set_required_spec_claims(&["iss", "aud", "sub", "exp"]);
    let claims = jsonwebtoken::decode::<Claims>(token, &key.public, &validation)
        .map_err(TokenError::Invalid)?
        .claims;
    let caller = Caller { customer: claims.sub, role: claims.role };
    Ok(Bearer { caller, until: claims.exp })
}

#[cfg(test)]
mod tests {
    use contracts::events::Role;
    use contracts::ids::CustomerId;
    use jsonwebtoken::{EncodingKey, Header};
    use serde_json::{Value, json};
    use uuid::Uuid;

    use super::*;
    use crate::testing::{PUBLIC_KEY, TestSigner};

    fn check(token: &str, key: &Key, now: DateTime<Utc>) -> Result<Caller, TokenError> {
        key.check_time(now)?;
        super::check(token, key)?.at(now)
    }

    fn key() -> Key {
        let published = TestSigner::new().published();
        Key {
            public: DecodingKey::from_ed_components(published.public_key.as_str()).unwrap(),
            not_before: published.not_before,
            expires_at: published.expires_at,
        }
    }

    fn customer() -> CustomerId {
        CustomerId::from_uuid(Uuid::from_u128(7))
    }

    fn claims() -> Value {
        let in_an_hour = Utc::now().timestamp() + 3600;
        json!({
            "iss": ISSUER, "aud": AUDIENCE, "sub": customer(), "role": "customer",
            "iat": 0, "exp": in_an_hour,
        })
    }

    fn reason(token: &str) -> ErrorKind {
        match check(token, &key(), Utc::now()).unwrap_err() {
            TokenError::Invalid(error) => error.into_kind(),
            other => panic!("{other}"),
        }
    }

    #[test]
    fn knows_the_bearer() {
        let token = TestSigner::new().token(customer(), Role::Admin).unwrap();
        let caller = check(&token, &key(), Utc::now()).unwrap();
        assert_eq!(caller, Caller { customer: customer(), role: Role::Admin });
        let token = TestSigner::new().sign(&claims()).unwrap();
        assert_eq!(check(&token, &key(), Utc::now()).unwrap().role, Role::Customer);
    }

    #[test]
    fn refuses_other_algorithms() {
        let token = TestSigner::new().sign(&claims()).unwrap();
        let (_, rest) = token.split_once('.').unwrap();
        let (payload, _) = rest.split_once('.').unwrap();
        // {"alg":"none","kid":"test"}
        let none = "eyJhbGciOiJub25lIiwia2lkIjoidGVzdCJ9";
        assert!(matches!(reason(&format!("{none}.{payload}.")), ErrorKind::Json(_)));
        assert!(matches!(reason(&format!("{none}.{rest}")), ErrorKind::Json(_)));

        let mut header = Header::new(Algorithm::HS256);
        header.kid = Some("test".to_owned());
        let public_key_as_secret = EncodingKey::from_secret(&PUBLIC_KEY);
        let token = jsonwebtoken::encode(&header, &claims(), &public_key_as_secret).unwrap();
        assert_eq!(reason(&token), ErrorKind::InvalidAlgorithm);
    }

    #[test]
    fn refuses_claims_that_are_wrong_or_missing() {
        let refused = |name: &str, value: Value| {
            let mut claims = claims();
            claims[name] = value;
            reason(&TestSigner::new().sign(&claims).unwrap())
        };
        let now = Utc::now().timestamp();
        assert_eq!(refused("exp", json!(now - 60)), ErrorKind::ExpiredSignature);
        assert_eq!(refused("iss", json!("somebody")), ErrorKind::InvalidIssuer);
        assert_eq!(refused("aud", json!("somebody")), ErrorKind::InvalidAudience);
        for (name, value) in [
            ("sub", json!("ord_1")),
            ("role", json!("owner")),
            ("aud", json!([])),
            ("exp", json!("9")),
        ] {
            assert!(matches!(refused(name, value), ErrorKind::Json(_)), "{name}");
        }
        for name in ["iss", "aud", "sub", "exp", "role"] {
            let mut claims = claims();
            claims.as_object_mut().unwrap().remove(name);
            let error = reason(&TestSigner::new().sign(&claims).unwrap());
            let missing = ErrorKind::MissingRequiredClaim(name.to_owned());
            assert!(error == missing || matches!(error, ErrorKind::Json(_)), "{name}: {error:?}");
        }
    }

    #[test]
    fn refuses_what_was_changed_or_is_no_token() {
        let token = TestSigner::new().sign(&claims()).unwrap();
        let mut other = claims();
        other["role"] = json!("admin");
        let admin = TestSigner::new().sign(&other).unwrap();
        let part = |token: &str, index| token.split('.').nth(index).unwrap().to_owned();
        let mixed = [part(&token, 0), part(&admin, 1), part(&token, 2)].join(".");
        assert_eq!(reason(&mixed), ErrorKind::InvalidSignature);
        for token in ["", ".", "..", "a.b.c", "token", &token[..token.len() - 2], &token[1..]] {
            assert!(check(token, &key(), Utc::now()).is_err(), "{token}");
        }
    }

    #[test]
    fn a_token_ends_at_the_time_handed_in_whatever_the_clock_says() {
        let mut claims = claims();
        let expires_at = Utc::now() - TimeDelta::minutes(30);
        claims["exp"] = json!(expires_at.timestamp());
        let token = TestSigner::new().sign(&claims).unwrap();
        let key = Key { not_before: expires_at - TimeDelta::hours(1), ..key() };
        assert!(check(&token, &key, expires_at).is_ok());
        let late = check(&token, &key, expires_at + TimeDelta::minutes(1));
        assert!(matches!(late, Err(TokenError::Invalid(_))), "{late:?}");
    }

    #[test]
    fn refuses_keys_outside_of_their_time() {
        let token = TestSigner::new().sign(&claims()).unwrap();
        let key = key();
        for now in [key.expires_at, key.not_before - TimeDelta::minutes(1)] {
            assert!(matches!(check(&token, &key, now), Err(TokenError::UnknownKey)), "{now}");
        }
    }
}
