//! Exact money: integer minor units in memory and in SQL, a decimal number
//! with the currency's digits on the wire, never a float.

mod amount;
mod currency;

pub use self::{amount::Amount, currency::Currency};

/// What can be wrong with money. Never repeats the input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MoneyError {
    /// Not a plain decimal number: no exponent, no leading zero or plus.
    #[error("must be a plain decimal number")]
    NotDecimal,
    /// Larger than 64 bits of minor units hold.
    #[error("is out of range")]
    OutOfRange,
    /// More decimals than the currency has.
    #[error("must not have more than {digits} decimals")]
    TooPrecise {
        /// Decimals of the currency.
        digits: u8,
    },
    /// Two different currencies in one sum.
    #[error("must be in the same currency")]
    CurrencyMismatch,
    /// Not an ISO 4217 code of a circulating currency.
    #[error("must be an ISO 4217 currency code")]
    UnknownCurrency,
}

/// A sum of money: `minor` units (paise, cents) of a currency.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Money {
    /// Smallest units of the currency; may be negative.
    pub minor: i64,
    /// The currency.
    pub currency: Currency,
}

impl Money {
    /// No money.
    pub const fn zero(currency: Currency) -> Self {
        Self { minor: 0, currency }
    }

    /// Takes an amount from the wire; one with fewer decimals than the
    /// currency is the same money (`1499` INR is `1499.00`).
    pub fn from_amount(amount: Amount, currency: Currency) -> Result<Self, MoneyError> {
        let digits = currency.digits();
        let missing =
            digits.checked_sub(amount.scale()).ok_or(MoneyError::TooPrecise { digits })?;
        let minor =
            amount.units().checked_mul(10_i64.pow(missing.into())).ok_or(MoneyError::OutOfRange)?;
        Ok(Self { minor, currency })
    }

    /// The decimal for the wire, with all digits of the currency.
    pub const fn amount(self) -> Amount {
        Amount::new(self.minor, self.currency.digits())
    }

    /// The sum; both must be of one currency.
    pub fn checked_add(self, other: Self) -> Result<Self, MoneyError> {
        if self.currency != other.currency {
            return Err(MoneyError::CurrencyMismatch);
        }
        let minor = self.minor.checked_add(other.minor).ok_or(MoneyError::OutOfRange)?;
        Ok(Self { minor, ..self })
    }

    /// The price of `qty` pieces.
    pub fn checked_mul(self, qty: u32) -> Result<Self, MoneyError> {
        let minor = self.minor.checked_mul(qty.into()).ok_or(MoneyError::OutOfRange)?;
        Ok(Self { minor, ..self })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn currency(code: &str) -> Currency {
        code.parse().unwrap()
    }

    fn amount(text: &str) -> Amount {
        text.parse().unwrap()
    }

    #[test]
    fn money_has_the_digits_of_its_currency() {
        for (minor, code, text) in [
            (149_900, "INR", "1499.00"),
            (5, "USD", "0.05"),
            (-5, "EUR", "-0.05"),
            (1499, "JPY", "1499"),
            (1250, "KWD", "1.250"),
            (i64::MAX, "INR", "92233720368547758.07"),
            (i64::MIN, "INR", "-92233720368547758.08"),
        ] {
            let money = Money { minor, currency: currency(code) };
            assert_eq!(money.amount().to_string(), text);
            assert_eq!(Money::from_amount(amount(text), currency(code)), Ok(money));
        }
    }

    #[test]
    fn fewer_digits_are_the_same_money_and_more_are_an_error() {
        let of = |text, code| Money::from_amount(amount(text), currency(code)).map(|m| m.minor);
        assert_eq!(of("1499", "INR"), Ok(149_900));
        assert_eq!(of("1499.5", "INR"), Ok(149_950));
        assert_eq!(of("1499.000", "INR"), Err(MoneyError::TooPrecise { digits: 2 }));
        assert_eq!(of("1.0", "JPY"), Err(MoneyError::TooPrecise { digits: 0 }));
        assert_eq!(of("9223372036854775807", "INR"), Err(MoneyError::OutOfRange));
    }

    #[test]
    fn sums_are_checked() {
        let rupees = |minor| Money { minor, currency: Currency::INR };
        let yen = Money { minor: 1, currency: currency("JPY") };
        assert_eq!(rupees(1).checked_add(rupees(2)), Ok(rupees(3)));
        assert_eq!(rupees(1).checked_add(yen), Err(MoneyError::CurrencyMismatch));
        assert_eq!(rupees(i64::MAX).checked_add(rupees(1)), Err(MoneyError::OutOfRange));
        assert_eq!(rupees(74_950).checked_mul(2), Ok(rupees(149_900)));
        assert_eq!(rupees(i64::MAX).checked_mul(2), Err(MoneyError::OutOfRange));
        assert_eq!(Money::zero(Currency::INR).checked_add(rupees(7)), Ok(rupees(7)));
    }

    proptest! {
        #[test]
        fn money_comes_back(minor: i64, code in prop::sample::select(vec!["INR", "JPY", "KWD"])) {
            let money = Money { minor, currency: currency(code) };
            let json = serde_json::to_string(&money.amount()).unwrap();
            let amount = serde_json::from_str(&json).unwrap();
            prop_assert_eq!(Money::from_amount(amount, money.currency), Ok(money));
        }
    }
}
