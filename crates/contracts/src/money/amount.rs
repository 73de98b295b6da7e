use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de, ser};
use serde_json::value::RawValue;

use super::MoneyError;

/// Decimals that 64 bits can hold.
const MAX_SCALE: usize = 18;

/// A decimal exactly as written on the wire: `1499.00` stays `1499.00`.
///
/// Two amounts are equal if their digits are; compare values as
/// [`Money`](super::Money).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(
    feature = "schema",
    derive(schemars::JsonSchema),
    schemars(
        with = "f64",
        description = "A plain decimal number, not negative, with at most the decimals that ISO 4217 \
            gives the currency; published with all of them. Read it as a decimal, not as a float.",
        extend("minimum" = 0, "maximum" = i64::MAX)
    )
)]
pub struct Amount {
    units: i64,
    scale: u8,
}

impl Amount {
    /// `scale` is the number of decimals, which a currency keeps small.
    pub(super) const fn new(units: i64, scale: u8) -> Self {
        Self { units, scale }
    }

    /// The digits without the point.
    pub const fn units(self) -> i64 {
        self.units
    }

    /// How many of the digits are decimals: at most 18.
    pub const fn scale(self) -> u8 {
        self.scale
    }
}

impl FromStr for Amount {
    type Err = MoneyError;

    fn from_str(text: &str) -> Result<Self, MoneyError> {
        let (negative, digits) = match text.strip_prefix('-') {
            Some(digits) => (true, digits),
            None => (false, text),
        };
        let (whole, decimals) = match digits.split_once('.') {
            Some((_, "")) => return Err(MoneyError::NotDecimal),
            Some(parts) => parts,
            None => (digits, ""),
        };
        let leading_zero = whole.len() > 1 && whole.starts_with('0');
        if whole.is_empty() || leading_zero {
            return Err(MoneyError::NotDecimal);
        }
        if !whole.bytes().chain(decimals.bytes()).all(|b| b.is_ascii_digit()) {
            return Err(MoneyError::NotDecimal);
        }
        if decimals.len() > MAX_SCALE {
            return Err(MoneyError::OutOfRange);
        }
        let signed = |b: u8| {
            if negative { -i64::from(b - b'0') } else { i64::from(b - b'0') }
        };
        let units = whole
            .bytes()
            .chain(decimals.bytes())
            .try_fold(0_i64, |units, b| units.checked_mul(10)?.checked_add(signed(b)))
            .ok_or(MoneyError::OutOfRange)?;
        // Would print without its sign.
        if negative && units == 0 {
            return Err(MoneyError::NotDecimal);
        }
        let scale = u8::try_from(decimals.len()).map_err(|_| MoneyError::OutOfRange)?;
        Ok(Self { units, scale })
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        if self.scale == 0 {
            return write!(f, "{}", self.units);
        }
        let sign = if self.units < 0 { "-" } else { "" };
        let (units, one) = (self.units.unsigned_abs(), 10_u64.pow(self.scale.into()));
        write!(f, "{sign}{}.{:0width$}", units / one, units % one, width = self.scale.into())
    }
}

// A raw value is the one way to keep serde_json from going through a float.
impl Serialize for Amount {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        RawValue::from_string(self.to_string()).map_err(ser::Error::custom)?.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Amount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Box::<RawValue>::deserialize(deserializer)?.get().parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_no_plain_decimal_is_refused() {
        for text in [
            "", "-", ".", "1.", ".5", "01", "-01", "00", "+1", "1e3", "1E3", "1.5e0", "1,5", " 1",
            "1 ", "0x1", "-0", "-0.00", "--1", "1.-5", "1.2.3", "NaN", "Infinity", "١",
        ] {
            assert_eq!(text.parse::<Amount>(), Err(MoneyError::NotDecimal), "{text:?}");
        }
        let too_long = format!("0.{}", "0".repeat(19));
        for text in ["9223372036854775808", "-9223372036854775809", &too_long, &"9".repeat(400)] {
            assert_eq!(text.parse::<Amount>(), Err(MoneyError::OutOfRange), "{text:?}");
        }
    }

    #[test]
    fn json_that_is_no_plain_number_is_refused() {
        for json in ["\"1.00\"", "null", "true", "[1]", "{}", "1e2", "-0"] {
            assert!(serde_json::from_str::<Amount>(json).is_err(), "{json}");
        }
    }

    #[test]
    fn digits_a_float_would_lose_stay() {
        for json in ["1499.00", "0.10", "90071992547409.93", "9223372036854775807", "0.1000000000"]
        {
            let amount: Amount = serde_json::from_str(json).unwrap();
            assert_eq!(serde_json::to_string(&amount).unwrap(), json);
        }
    }

    proptest! {
        #[test]
        fn every_amount_comes_back(units: i64, scale in 0_u8..=18) {
            let amount = Amount::new(units, scale);
            prop_assert_eq!(amount.to_string().parse(), Ok(amount));
        }

        #[test]
        fn every_text_that_parses_prints_the_same(text in "-?[0-9]{1,10}(\\.[0-9]{1,9})?") {
            if let Ok(amount) = text.parse::<Amount>() {
                prop_assert_eq!(amount.to_string(), text);
            }
        }
    }
}
