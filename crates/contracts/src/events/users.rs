use std::{fmt, str::FromStr};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{
    ids::CustomerId,
    text::{serde_as_text, text_enum},
    trace::TraceId,
};

/// Someone signed up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct UserRegistered {
    /// The new user.
    pub user_id: CustomerId,
    /// Where mail reaches them.
    pub email: Email,
    /// What they may do.
    pub role: Role,
    /// When.
    pub registered_at: DateTime<Utc>,
    /// The trace it belongs to.
    pub trace_id: TraceId,
}

/// A key by which access tokens are checked from now on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct SigningKeyPublished {
    /// The `kid` of the tokens.
    pub key_id: String,
    /// How it signs.
    pub algorithm: SigningAlgorithm,
    /// The public half.
    pub public_key: PublicKey,
    /// No token is signed with it before.
    pub not_before: DateTime<Utc>,
    /// No token is valid with it after.
    pub expires_at: DateTime<Utc>,
    /// When it was published.
    pub published_at: DateTime<Utc>,
    /// The trace it belongs to.
    pub trace_id: TraceId,
}

text_enum! {
    /// What a user may do.
    Role {
        /// Buys.
        Customer = "customer",
        /// Keeps catalogue and stock as well.
        Admin = "admin",
    }
}

text_enum! {
    /// How tokens are signed.
    SigningAlgorithm {
        /// Ed25519.
        EdDsa = "EdDSA",
    }
}

/// An e-mail address: personal data, so keep it out of logs. Its form was checked, not that it exists.
#[derive(Clone, PartialEq, Eq, Hash)]
#[cfg_attr(
    feature = "schema",
    derive(schemars::JsonSchema),
    schemars(with = "String", extend(
        "maxLength" = 254,
        "pattern" = r"^[^\s\x00-\x1f\x7f-\x9f]+@[^\s\x00-\x1f\x7f-\x9f@]+$",
    ))
)]
pub struct Email(String);

impl Email {
    /// The address.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Why a text is not an [`Email`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be an e-mail address of at most 254 characters")]
pub struct EmailError;

impl FromStr for Email {
    type Err = EmailError;

    /// Checks only what makes the address safe to hand on: whether it exists,
    /// no pattern can tell.
    fn from_str(text: &str) -> Result<Self, EmailError> {
        let (local, domain) = text.rsplit_once('@').ok_or(EmailError)?;
        let broken = |c: char| c.is_whitespace() || c.is_control();
        if local.is_empty() || domain.is_empty() || text.len() > 254 || text.contains(broken) {
            return Err(EmailError);
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for Email {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Email {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        // Whatever is shown so goes to logs.
        f.write_str("Email(…)")
    }
}

serde_as_text!(Email);

/// An Ed25519 public key: 32 bytes, written as base64url without padding (the
/// `x` of a JWK).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[cfg_attr(
    feature = "schema",
    derive(schemars::JsonSchema),
    schemars(with = "String", extend("pattern" = "^[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]$"))
)]
pub struct PublicKey(String);

const BASE64URL: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

impl PublicKey {
    /// Characters of 32 bytes.
    const LENGTH: usize = 43;

    /// The key as ed25519 has it.
    pub fn from_bytes(bytes: &[u8; 32]) -> Self {
        let sextet = |index: usize| {
            let (byte, bit) = (index * 6 / 8, index * 6 % 8);
            let next = bytes.get(byte + 1).copied().unwrap_or(0);
            let window = u16::from_be_bytes([bytes[byte], next]);
            char::from(BASE64URL[usize::from(window >> (10 - bit) & 63)])
        };
        Self((0..Self::LENGTH).map(sextet).collect())
    }

    /// The base64url text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Why a text is not a [`PublicKey`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be 32 bytes in base64url without padding")]
pub struct PublicKeyError;

impl FromStr for PublicKey {
    type Err = PublicKeyError;

    fn from_str(text: &str) -> Result<Self, PublicKeyError> {
        // 43 characters hold 258 bits: the last two must be zero.
        let last = b"AEIMQUYcgkosw048";
        let fits = text.len() == Self::LENGTH
            && text.bytes().all(|b| BASE64URL.contains(&b))
            && text.bytes().last().is_some_and(|b| last.contains(&b));
        if fits { Ok(Self(text.to_owned())) } else { Err(PublicKeyError) }
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(&self.0)
    }
}

serde_as_text!(PublicKey);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_email_does_not_show_in_logs() {
        let email: Email = "asha@example.org".parse().unwrap();
        assert_eq!(email.as_str(), "asha@example.org");
        assert!(!format!("{email:?}").contains("asha"));
    }

    #[test]
    fn what_could_break_a_mail_is_no_email() {
        let long = format!("{}@example.org", "a".repeat(250));
        for text in ["", "asha", "@example.org", "asha@", "a b@c.org", "a@b.org\r\nBcc: x", &long] {
            assert_eq!(text.parse::<Email>(), Err(EmailError), "{text:?}");
        }
    }

    #[test]
    fn known_public_keys() {
        assert_eq!(PublicKey::from_bytes(&[0; 32]).as_str(), "A".repeat(43));
        assert_eq!(PublicKey::from_bytes(&[255; 32]).as_str(), format!("{}8", "_".repeat(42)));
        let counting: [u8; 32] = std::array::from_fn(|i| u8::try_from(i).unwrap());
        let text = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";
        assert_eq!(PublicKey::from_bytes(&counting).as_str(), text);
    }

    #[test]
    fn other_texts_are_no_public_key() {
        let (short, long) = ("A".repeat(42), "A".repeat(44));
        let (padded, spilled) = (format!("{short}="), format!("{short}B"));
        for text in ["", &short, &long, &padded, &spilled, &format!("{short}+")] {
            assert_eq!(text.parse::<PublicKey>(), Err(PublicKeyError), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn every_key_parses(bytes: [u8; 32]) {
            let key = PublicKey::from_bytes(&bytes);
            prop_assert_eq!(key.as_str().parse(), Ok(key.clone()));
        }
    }
}
