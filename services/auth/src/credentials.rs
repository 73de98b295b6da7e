//! What people prove themselves with. Nothing here shows itself to `Debug`.

use std::fmt;
use std::str::FromStr;

use contracts::events::{Email, EmailError};
use serde::{Deserialize, Deserializer, de};

use crate::mailbox::is_writable;

/// An address as it is stored and compared: without blanks around it, in lower case.
pub fn normalised(email: &str) -> Result<Email, EmailError> {
    email.trim().to_lowercase().parse()
}

/// [`normalised`], for a field of a request.
pub fn deserialize_email<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Email, D::Error> {
    let text = String::deserialize(deserializer)?;
    normalised(&text).map_err(de::Error::custom)
}

/// [`deserialize_email`], of somebody new: what is sent to them has to arrive.
pub fn deserialize_new_email<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Email, D::Error> {
    let email = deserialize_email(deserializer)?;
    if is_writable(email.as_str()) {
        Ok(email)
    } else {
        Err(de::Error::custom("must be one e-mail address, such as asha@example.org"))
    }
}

/// A password somebody signs in with, of at most 128 characters.
#[derive(Clone)]
pub struct Password(String);

/// A password for a new user, of 8 to 128 characters.
#[derive(Clone)]
pub struct NewPassword(Password);

/// Why a text is no password. Never repeats it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PasswordError {
    /// Nobody has one as long.
    #[error("must have at most {} characters", Password::MAX)]
    TooLong,
    /// Too short or too long to be chosen.
    #[error("must have {} to {} characters", NewPassword::MIN, Password::MAX)]
    Length,
}

impl Password {
    const MAX: usize = 128;

    /// The text, for the hash only.
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl NewPassword {
    const MIN: usize = 8;

    /// The text, for the hash only.
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl FromStr for Password {
    type Err = PasswordError;

    fn from_str(text: &str) -> Result<Self, PasswordError> {
        if text.chars().count() > Self::MAX {
            return Err(PasswordError::TooLong);
        }
        Ok(Self(text.to_owned()))
    }
}

impl FromStr for NewPassword {
    type Err = PasswordError;

    fn from_str(text: &str) -> Result<Self, PasswordError> {
        if text.chars().count() < Self::MIN {
            return Err(PasswordError::Length);
        }
        text.parse().map(Self).map_err(|_| PasswordError::Length)
    }
}

impl<'de> Deserialize<'de> for Password {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

impl<'de> Deserialize<'de> for NewPassword {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("Password(…)")
    }
}

impl fmt::Debug for NewPassword {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("NewPassword(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_that_differ_in_case_and_blanks_are_one() {
        for text in ["asha@example.org", " Asha@Example.ORG\n", "ASHA@EXAMPLE.ORG"] {
            assert_eq!(normalised(text).unwrap().as_str(), "asha@example.org");
        }
        for text in ["", " ", "asha", "as ha@example.org", "@", &format!("{}@b", "a".repeat(253))] {
            assert!(normalised(text).is_err(), "{text}");
        }
    }

    #[test]
    fn passwords_are_counted_in_characters() {
        for (length, chosen, tried) in [
            (0, false, true),
            (7, false, true),
            (8, true, true),
            (128, true, true),
            (129, false, false),
        ] {
            let text = "ä".repeat(length);
            assert_eq!(text.parse::<NewPassword>().is_ok(), chosen, "{length}");
            assert_eq!(text.parse::<Password>().is_ok(), tried, "{length}");
        }
    }

    #[test]
    fn passwords_do_not_show() {
        assert_eq!(format!("{:?}", "secret secret".parse::<Password>().unwrap()), "Password(…)");
        let new: NewPassword = "secret secret".parse().unwrap();
        assert_eq!(format!("{new:?}"), "NewPassword(…)");
    }
}
