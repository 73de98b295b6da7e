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
        let missing = digits
            .checked_sub(amount.scale())
            .ok_or(MoneyError::TooPrecise { digits })?;
        let minor = amount
            .units()
            .checked_mul(10_i64.pow(missing.into()))
            .ok_or(MoneyError::OutOfRange)?;
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
        let minor = self
            .minor
            .checked_add(other.minor)
            .ok_or(MoneyError::OutOfRange)?;
        Ok(Self { minor, ..self })
    }

    /// The price of `qty` pieces.
    pub fn checked_mul(self, qty: u32) -> Result<Self, MoneyError> {
        let minor = self
            .minor
            .checked_mul(qty.into())
            .ok_or(MoneyError::OutOfRange)?;
        Ok(Self { minor, ..self })
    }
}
