//! Ids of the aggregates. Orders, customers and payments have `TypeID`s: a
//! prefix and a `UUIDv7` in base32, so that their text sorts by time.

use std::{fmt, str::FromStr};

use uuid::Uuid;

use crate::{text::serde_as_text, typeid};

/// Why a text is not an id. Says what is wrong without repeating the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// Another prefix, or none.
    #[error("must start with `{expected}`")]
    Prefix {
        /// The prefix with its underscore.
        expected: &'static str,
    },
    /// Too short or too long.
    #[error("must have 26 characters after the prefix")]
    Length,
    /// Not in the alphabet; upper case is not either.
    #[error("character {position} after the prefix is not lowercase Crockford base32")]
    Character {
        /// Counted from 0, after the prefix.
        position: usize,
    },
    /// 26 characters hold 130 bits, an id has 128.
    #[error("must begin with 0 to 7 after the prefix, to fit 128 bits")]
    Overflow,
}

macro_rules! type_id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[cfg_attr(
            feature = "schema",
            derive(schemars::JsonSchema),
            schemars(with = "String", extend(
                "pattern" = concat!("^", $prefix, "[0-7][0-9a-hjkmnp-tv-z]{25}$")
            ))
        )]
        pub struct $name(Uuid);

        impl $name {
            /// What its text starts with.
            pub const PREFIX: &'static str = $prefix;

            /// New ids take a `UUIDv7`, which makes them sortable by time; ids
            /// of other versions are valid but sort anywhere.
            pub const fn from_uuid(uuid: Uuid) -> Self {
                Self(uuid)
            }

            /// The id as Postgres stores it.
            pub const fn as_uuid(self) -> Uuid {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str($prefix)?;
                typeid::encode(self.0.as_u128()).try_for_each(|c| fmt::Write::write_char(f, c))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                let suffix =
                    text.strip_prefix($prefix).ok_or(IdError::Prefix { expected: $prefix })?;
                typeid::decode(suffix).map(|bits| Self(Uuid::from_u128(bits)))
            }
        }

        serde_as_text!($name);
    };
}

type_id! {
    /// An order: `ord_…`.
    OrderId, "ord_"
}

type_id! {
    /// A customer, which is a registered user of any role: `cust_…`.
    CustomerId, "cust_"
}

type_id! {
    /// A payment: `pay_…`.
    PaymentId, "pay_"
}

/// A stock keeping unit: 1 to 64 characters of `A–Z a–z 0–9 . _ -`.
///
/// Its order is that of the bytes (`COLLATE "C"` in SQL).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(
    feature = "schema",
    derive(schemars::JsonSchema),
    schemars(with = "String", extend("pattern" = "^[A-Za-z0-9._-]{1,64}$"))
)]
pub struct Sku(String);

impl Sku {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Why a text is not a [`Sku`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be 1 to 64 characters of A–Z, a–z, 0–9, `.`, `_` and `-`")]
pub struct SkuError;

impl FromStr for Sku {
    type Err = SkuError;

    fn from_str(text: &str) -> Result<Self, SkuError> {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
        if (1..=64).contains(&text.len()) && text.bytes().all(allowed) {
            Ok(Self(text.to_owned()))
        } else {
            Err(SkuError)
        }
    }
}

impl fmt::Display for Sku {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(&self.0)
    }
}

serde_as_text!(Sku);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use uuid::{NoContext, Timestamp};

    use super::*;

    fn order_at(millis: u64) -> OrderId {
        let (seconds, rest) = (millis / 1000, millis % 1000);
        let nanos = u32::try_from(rest).unwrap() * 1_000_000;
        OrderId::from_uuid(Uuid::new_v7(Timestamp::from_unix(NoContext, seconds, nanos)))
    }

    #[test]
    fn prefixes_keep_ids_apart() {
        let order = OrderId::from_uuid(Uuid::nil());
        assert_eq!(order.to_string(), "ord_00000000000000000000000000");
        assert_eq!(format!("{order:?}"), order.to_string());
        let text = order.to_string();
        assert_eq!(text.parse::<CustomerId>(), Err(IdError::Prefix { expected: "cust_" }));
        assert_eq!(text.parse::<PaymentId>(), Err(IdError::Prefix { expected: "pay_" }));
        assert_eq!("".parse::<OrderId>(), Err(IdError::Prefix { expected: "ord_" }));
        assert_eq!("ord_".parse::<OrderId>(), Err(IdError::Length));
        assert!("ORD_00000000000000000000000000".parse::<OrderId>().is_err());
        assert!(" ord_00000000000000000000000000".parse::<OrderId>().is_err());
    }

    #[test]
    fn skus() {
        for good in ["a", "SKU-1", "Mug_blue.2", &"x".repeat(64)] {
            assert_eq!(good.parse::<Sku>().unwrap().as_str(), good);
        }
        for bad in ["", " ", "a b", "a/b", "ä", "a\n", "a\0", &"x".repeat(65)] {
            assert_eq!(bad.parse::<Sku>(), Err(SkuError), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn ids_come_back(bits: u128) {
            let id = CustomerId::from_uuid(Uuid::from_u128(bits));
            prop_assert_eq!(id.to_string().parse(), Ok(id));
            let json = serde_json::to_string(&id).unwrap();
            prop_assert_eq!(serde_json::from_str::<CustomerId>(&json).unwrap(), id);
        }

        #[test]
        fn ids_sort_by_time(a in 0_u64..1 << 48, b in 0_u64..1 << 48) {
            prop_assume!(a != b);
            let (first, second) = (order_at(a), order_at(b));
            prop_assert_eq!(first.cmp(&second), a.cmp(&b));
            prop_assert_eq!(first.to_string().cmp(&second.to_string()), a.cmp(&b));
        }

        #[test]
        fn any_text_is_an_id_or_an_error(text in "(ord_)?\\PC{0,40}") {
            if let Ok(id) = text.parse::<OrderId>() {
                prop_assert_eq!(id.to_string(), text);
            }
        }
    }
}
