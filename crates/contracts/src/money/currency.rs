use std::{fmt, str::FromStr};

use super::MoneyError;
use crate::text::serde_as_text;

/// A circulating currency of ISO 4217.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(
    feature = "schema",
    derive(schemars::JsonSchema),
    schemars(with = "String", extend("enum" = Currency::codes()))
)]
pub struct Currency {
    code: &'static str,
    digits: u8,
}

/// Codes by their number of decimals, each list sorted.
const DIGITS: [(u8, &[&str]); 3] = [(2, TWO), (0, ZERO), (3, THREE)];

const ZERO: &[&str] = &[
    "BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "VND", "VUV",
    "XAF", "XOF", "XPF",
];

const THREE: &[&str] = &["BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"];

const TWO: &[&str] = &[
    "AED", "AFN", "ALL", "AMD", "AOA", "ARS", "AUD", "AWG", "AZN", "BAM", "BBD", "BDT", "BMD",
    "BND", "BOB", "BRL", "BSD", "BTN", "BWP", "BYN", "BZD", "CAD", "CDF", "CHF", "CNY", "COP",
    "CRC", "CUP", "CVE", "CZK", "DKK", "DOP", "DZD", "EGP", "ERN", "ETB", "EUR", "FJD", "FKP",
    "GBP", "GEL", "GHS", "GIP", "GMD", "GTQ", "GYD", "HKD", "HNL", "HTG", "HUF", "IDR", "ILS",
    "INR", "IRR", "JMD", "KES", "KGS", "KHR", "KPW", "KYD", "KZT", "LAK", "LBP", "LKR", "LRD",
    "LSL", "MAD", "MDL", "MGA", "MKD", "MMK", "MNT", "MOP", "MRU", "MUR", "MVR", "MWK", "MXN",
    "MYR", "MZN", "NAD", "NGN", "NIO", "NOK", "NPR", "NZD", "PAB", "PEN", "PGK", "PHP", "PKR",
    "PLN", "QAR", "RON", "RSD", "RUB", "SAR", "SBD", "SCR", "SDG", "SEK", "SGD", "SHP", "SLE",
    "SOS", "SRD", "SSP", "STN", "SVC", "SYP", "SZL", "THB", "TJS", "TMT", "TOP", "TRY", "TTD",
    "TWD", "TZS", "UAH", "USD", "UYU", "UZS", "VES", "WST", "XCD", "XCG", "YER", "ZAR", "ZMW",
    "ZWG",
];

impl Currency {
    /// The Indian rupee.
    pub const INR: Currency = Currency { code: "INR", digits: 2 };

    /// Every code, sorted.
    #[cfg(feature = "schema")]
    fn codes() -> Vec<&'static str> {
        let mut codes: Vec<_> =
            DIGITS.iter().flat_map(|(_, codes)| codes.iter().copied()).collect();
        codes.sort_unstable();
        codes
    }

    /// The codes of currencies without decimals, sorted.
    #[cfg(feature = "schema")]
    pub(crate) const WITHOUT_DECIMALS: &'static [&'static str] = ZERO;

    /// The three letters.
    pub const fn code(self) -> &'static str {
        self.code
    }

    /// Decimals of an amount in this currency: 0 to 3.
    pub const fn digits(self) -> u8 {
        self.digits
    }
}

impl FromStr for Currency {
    type Err = MoneyError;

    fn from_str(text: &str) -> Result<Self, MoneyError> {
        DIGITS
            .iter()
            .find_map(|&(digits, codes)| {
                let index = codes.binary_search(&text).ok()?;
                Some(Currency { code: codes[index], digits })
            })
            .ok_or(MoneyError::UnknownCurrency)
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(self.code)
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(self.code)
    }
}

serde_as_text!(Currency);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_found_with_its_digits() {
        for (digits, codes) in DIGITS {
            assert!(codes.is_sorted(), "binary search needs order");
            for code in codes {
                let currency: Currency = code.parse().unwrap();
                assert_eq!((currency.code(), currency.digits()), (*code, digits));
                assert!(code.len() == 3 && code.bytes().all(|b| b.is_ascii_uppercase()));
            }
        }
        assert_eq!("INR".parse(), Ok(Currency::INR));
    }

    #[test]
    fn no_code_is_listed_twice() {
        let mut codes: Vec<_> = DIGITS.iter().flat_map(|(_, codes)| codes.iter()).collect();
        codes.sort();
        let all = codes.len();
        codes.dedup();
        assert_eq!(codes.len(), all);
    }

    #[test]
    fn other_codes_are_refused() {
        for code in ["", "inr", "XXX", "XAU", "IN", "INRR", "INR "] {
            assert_eq!(code.parse::<Currency>(), Err(MoneyError::UnknownCurrency), "{code}");
        }
    }
}
