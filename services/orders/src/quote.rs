//! What an order costs, at the prices of this service. Pure.

use std::collections::BTreeMap;

use contracts::events::Line;
use contracts::ids::Sku;
use contracts::money::{Currency, Money};

/// What is known of a product.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Price {
    /// Of one piece.
    pub each: Money,
    /// Whether it can be ordered.
    pub active: bool,
}

/// A line with the price of one piece.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PricedLine {
    /// The product.
    pub sku: Sku,
    /// Pieces.
    pub qty: u32,
    /// Of one piece.
    pub each: Money,
}

/// The lines of an order with their prices and the sum, all in one currency.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quote {
    /// As they were asked for.
    pub lines: Vec<PricedLine>,
    /// The sum.
    pub total: Money,
}

/// Why an order cannot be placed. `line` counts from 0.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// There is nothing to order.
    #[error("Order at least one line.")]
    Empty,
    /// The catalogue never had it, or has not told of it yet.
    #[error("No product has the SKU {sku}.")]
    UnknownSku {
        /// The line.
        line: usize,
        /// Its product.
        sku: Sku,
    },
    /// The catalogue has it no more.
    #[error("The product {sku} is no longer sold.")]
    Discontinued {
        /// The line.
        line: usize,
        /// Its product.
        sku: Sku,
    },
    /// An order has one total, so one currency.
    #[error("{sku} is sold in {currency}, the lines before it in {first}; order them separately.")]
    MixedCurrencies {
        /// The first line in another currency.
        line: usize,
        /// Its product.
        sku: Sku,
        /// Its currency.
        currency: Currency,
        /// That of the lines before.
        first: Currency,
    },
    /// The total is beyond what can be counted.
    #[error("The total of the order is too large; order less at once.")]
    TooMuch {
        /// The line that made it so.
        line: usize,
    },
}

impl Refusal {
    /// The path of the field at fault in the request.
    pub fn field(&self) -> String {
        match self {
            Self::Empty => "items".to_owned(),
            Self::UnknownSku { line, .. }
            | Self::Discontinued { line, .. }
            | Self::MixedCurrencies { line, .. } => format!("items[{line}].sku"),
            Self::TooMuch { line } => format!("items[{line}].qty"),
        }
    }
}

/// Prices the lines of an order.
pub fn quote(lines: &[Line], prices: &BTreeMap<Sku, Price>) -> Result<Quote, Refusal> {
    let mut total: Option<Money> = None;
    let mut quoted = Vec::with_capacity(lines.len());
    for (line, Line { sku, qty }) in lines.iter().enumerate() {
        let sku = sku.clone();
        let Some(&Price { each, active }) = prices.get(&sku) else {
            return Err(Refusal::UnknownSku { line, sku });
        };
        if !active {
            return Err(Refusal::Discontinued { line, sku });
        }
        let before = total.unwrap_or(Money::zero(each.currency));
        if before.currency != each.currency {
            let (currency, first) = (each.currency, before.currency);
            return Err(Refusal::MixedCurrencies { line, sku, currency, first });
        }
        let sum = each.checked_mul(*qty).and_then(|cost| before.checked_add(cost));
        total = Some(sum.map_err(|_| Refusal::TooMuch { line })?);
        quoted.push(PricedLine { sku, qty: *qty, each });
    }
    let total = total.ok_or(Refusal::Empty)?;
    Ok(Quote { lines: quoted, total })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn line(sku: &str, qty: u32) -> Line {
        Line { sku: sku.parse().unwrap(), qty }
    }

    fn price(minor: i64, currency: &str) -> Price {
        Price { each: Money { minor, currency: currency.parse().unwrap() }, active: true }
    }

    fn prices() -> BTreeMap<Sku, Price> {
        let discontinued = Price { active: false, ..price(500, "INR") };
        [
            ("MUG", price(74_950, "INR")),
            ("CAP", price(100, "INR")),
            ("OLD", discontinued),
            ("YEN", price(100, "JPY")),
            ("HUGE", price(i64::MAX, "INR")),
            ("FREE", price(0, "INR")),
        ]
        .map(|(sku, price)| (sku.parse().unwrap(), price))
        .into()
    }

    fn refused(lines: &[Line]) -> (String, Refusal) {
        let refusal = quote(lines, &prices()).unwrap_err();
        (refusal.field(), refusal)
    }

    #[test]
    fn the_total_is_the_sum_of_the_lines() {
        let quote = quote(&[line("MUG", 2), line("CAP", 3), line("MUG", 1)], &prices()).unwrap();
        assert_eq!(quote.total.minor, 3 * 74_950 + 300);
        assert_eq!(quote.total.currency, Currency::INR);
        let lines: Vec<_> =
            quote.lines.iter().map(|l| (l.sku.as_str(), l.qty, l.each.minor)).collect();
        assert_eq!(lines, [("MUG", 2, 74_950), ("CAP", 3, 100), ("MUG", 1, 74_950)]);
    }

    #[test]
    fn what_costs_nothing_can_be_ordered() {
        assert_eq!(quote(&[line("FREE", 1000)], &prices()).unwrap().total.minor, 0);
    }

    #[test]
    fn a_refusal_names_the_line() {
        assert_eq!(refused(&[]).0, "items");

        let (field, refusal) = refused(&[line("MUG", 1), line("NONE", 1)]);
        assert_eq!(field, "items[1].sku");
        assert_eq!(refusal.to_string(), "No product has the SKU NONE.");

        let (field, refusal) = refused(&[line("OLD", 1)]);
        assert_eq!(field, "items[0].sku");
        assert_eq!(refusal.to_string(), "The product OLD is no longer sold.");

        let (field, refusal) = refused(&[line("MUG", 1), line("CAP", 1), line("YEN", 1)]);
        assert_eq!(field, "items[2].sku");
        assert!(refusal.to_string().starts_with("YEN is sold in JPY, the lines before it in INR"));
    }

    #[test]
    fn a_total_that_cannot_be_counted_is_refused() {
        let (field, refusal) = refused(&[line("MUG", 1), line("HUGE", 2)]);
        assert_eq!((field.as_str(), refusal), ("items[1].qty", Refusal::TooMuch { line: 1 }));
        let (field, _) = refused(&[line("HUGE", 1), line("CAP", 1)]);
        assert_eq!(field, "items[1].qty");
    }

    proptest! {
        #[test]
        fn the_sum_is_exact(lines in proptest::collection::vec((0_i64..1 << 40, 1_u32..=1000), 1..=100)) {
            let name = |index: usize| format!("S{index}").parse::<Sku>().unwrap();
            let prices = lines.iter().enumerate().map(|(i, (minor, _))| (name(i), price(*minor, "EUR")));
            let wanted: Vec<_> =
                lines.iter().enumerate().map(|(i, (_, qty))| Line { sku: name(i), qty: *qty }).collect();
            let expected: i128 = lines.iter().map(|(minor, qty)| i128::from(*minor) * i128::from(*qty)).sum();
            let total = quote(&wanted, &prices.collect()).unwrap().total.minor;
            prop_assert_eq!(i128::from(total), expected);
        }
    }
}
