//! Facts, in words: the same words for what was told and for what was to be told. Pure.

use std::fmt;

use chrono::{DateTime, SecondsFormat, Utc};
use contracts::events::{EventType, Line};
use contracts::ids::PaymentId;
use contracts::money::{Amount, Currency, Money};

use super::kept::Stock;

/// What one event tells.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fact {
    /// Of which type.
    pub event: EventType,
    /// About whom.
    pub key: String,
    /// What.
    pub what: String,
}

impl fmt::Display for Fact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {}: {}", self.event, self.key, self.what)
    }
}

/// How a timer ends.
pub(super) const IN_TIME: &str = "its time is up";
pub(super) const OUT_OF_STOCK: &str = "OUT_OF_STOCK";

pub(super) fn product_at(version: u64, is: Option<String>) -> String {
    is.map_or_else(|| format!("version {version}"), |is| format!("version {version}, {is}"))
}

pub(super) fn product(name: &str, price: &str) -> String {
    format!("{name} at {price}")
}

/// Money as told: `10 INR` is `10.00 INR`.
pub(super) fn price(amount: Amount, currency: Currency) -> String {
    let amount = Money::from_amount(amount, currency).map_or(amount, Money::amount);
    format!("{amount} {currency}")
}

/// Money as kept.
pub(super) fn kept_price(money: Money) -> String {
    price(money.amount(), money.currency)
}

pub(super) fn level(Stock { on_hand, reserved, version }: &Stock) -> String {
    format!("version {version}, {on_hand} on hand, {reserved} reserved")
}

/// A key is published with its last end, and perhaps with another before.
pub(super) fn key_until(public_key: &str, last_end: Option<&DateTime<Utc>>) -> String {
    let end = last_end.map_or_else(|| "another end".to_owned(), time);
    format!("{public_key} until {end}")
}

pub(super) fn placed(
    customer: &impl fmt::Display,
    lines: &str,
    price: &str,
    method: Option<&str>,
    (from, to): (DateTime<Utc>, DateTime<Utc>),
) -> String {
    let (method, from, to) = (or_nothing(method.as_ref()), time(&from), time(&to));
    format!("by {customer}, {lines}, {price}, paid by {method}, open from {from} to {to}")
}

pub(super) fn changed(
    version: Option<u32>,
    customer: Option<&impl fmt::Display>,
    at: Option<&DateTime<Utc>>,
    what: &str,
) -> String {
    let (version, customer) = (or_nothing(version.as_ref()), or_nothing(customer));
    format!("version {version}, {what}, {customer}, at {}", or_nothing(at.map(time).as_ref()))
}

pub(super) fn paid(payment: PaymentId, price: &str) -> String {
    format!("{payment}, {price}")
}

pub(super) fn lines(lines: &[Line]) -> String {
    let texts: Vec<_> = lines.iter().map(|Line { sku, qty }| format!("{qty} {sku}")).collect();
    texts.join(" and ")
}

pub(super) fn or_nothing(value: Option<&impl fmt::Display>) -> String {
    value.map_or_else(|| "nothing".to_owned(), ToString::to_string)
}

pub(super) fn time(at: &DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Micros, true)
}
