//! How many pieces of a product there are, and how many of them orders hold. Pure.

use chrono::{DateTime, Utc};
use contracts::events::StockChanged;
use contracts::ids::Sku;
use contracts::trace::TraceId;
use service_kit::http::Expected;

/// The most pieces of a product that can be on hand.
pub const MAX_ON_HAND: u32 = 1_000_000;

/// Pieces of one product; never more reserved than on hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Level {
    on_hand: u32,
    reserved: u32,
}

impl Level {
    /// `None` if more were reserved than are on hand.
    pub fn new(on_hand: u32, reserved: u32) -> Option<Self> {
        (reserved <= on_hand).then_some(Self { on_hand, reserved })
    }

    /// Pieces in the warehouse.
    pub fn on_hand(self) -> u32 {
        self.on_hand
    }

    /// Pieces of those that orders hold.
    pub fn reserved(self) -> u32 {
        self.reserved
    }

    /// Pieces that can be ordered.
    pub fn available(self) -> u32 {
        self.on_hand - self.reserved
    }

    /// Sets pieces aside; `None` if too few are available.
    #[must_use]
    pub fn reserve(self, qty: u32) -> Option<Self> {
        Self::new(self.on_hand, self.reserved.checked_add(qty)?)
    }

    /// Makes reserved pieces available again; `None` if fewer are reserved.
    #[must_use]
    pub fn release(self, qty: u32) -> Option<Self> {
        Self::new(self.on_hand, self.reserved.checked_sub(qty)?)
    }

    /// Takes reserved pieces out of the warehouse; `None` if fewer are reserved.
    #[must_use]
    pub fn deduct(self, qty: u32) -> Option<Self> {
        Self::new(self.on_hand.checked_sub(qty)?, self.reserved.checked_sub(qty)?)
    }

    /// As many on hand as were counted; `None` if orders hold more.
    #[must_use]
    pub fn recount(self, on_hand: u32) -> Option<Self> {
        Self::new(on_hand, self.reserved)
    }
}

/// The level of a product, and how often it has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stock {
    /// The pieces.
    pub level: Level,
    /// Grows by one with every transaction that changes the level.
    pub version: u64,
}

/// Why the stock on hand was not set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// The stock has changed since the caller looked at it.
    Changed,
    /// Orders hold more than would be on hand.
    BelowReserved,
}

impl Stock {
    /// A new product's: nothing on hand.
    pub const NEW: Self = Self { level: Level { on_hand: 0, reserved: 0 }, version: 1 };

    /// The stock after `level` was written; the same if it is no other.
    #[must_use]
    pub fn changed_to(self, level: Level) -> Self {
        if level == self.level { self } else { Self { level, version: self.version + 1 } }
    }

    /// The stock after a count, which is the same if nothing is different.
    pub fn set(self, on_hand: u32, expected: &Expected) -> Result<Self, Refusal> {
        if !expected.includes(self.version) {
            return Err(Refusal::Changed);
        }
        let level = self.level.recount(on_hand).ok_or(Refusal::BelowReserved)?;
        Ok(self.changed_to(level))
    }

    /// The event that tells of it.
    pub fn told(self, sku: Sku, changed_at: DateTime<Utc>, trace_id: TraceId) -> StockChanged {
        StockChanged {
            sku,
            on_hand: self.level.on_hand,
            reserved: self.level.reserved,
            available: self.level.available(),
            version: self.version,
            changed_at,
            trace_id,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn level(on_hand: u32, reserved: u32) -> Level {
        Level::new(on_hand, reserved).unwrap()
    }

    fn stock(on_hand: u32, reserved: u32, version: u64) -> Stock {
        Stock { level: level(on_hand, reserved), version }
    }

    #[test]
    fn what_is_reserved_is_on_hand() {
        assert_eq!(Level::new(2, 3), None);
        assert_eq!(level(5, 3).available(), 2);
        assert_eq!(level(5, 3).reserve(2), Some(level(5, 5)));
        assert_eq!(level(5, 3).reserve(3), None);
        assert_eq!(level(u32::MAX, 1).reserve(u32::MAX), None, "the sum is checked");
        assert_eq!(level(5, 3).release(3), Some(level(5, 0)));
        assert_eq!(level(5, 3).release(4), None);
        assert_eq!(level(5, 3).deduct(3), Some(level(2, 0)));
        assert_eq!(level(5, 3).deduct(4), None, "although there are as many on hand");
    }

    #[test]
    fn a_count_is_for_the_version_it_was_made_at() {
        let now = stock(5, 3, 7);
        assert_eq!(now.set(9, &Expected::Versions(vec![7])), Ok(stock(9, 3, 8)));
        assert_eq!(now.set(9, &Expected::Versions(vec![6, 7])), Ok(stock(9, 3, 8)));
        assert_eq!(now.set(9, &Expected::Any), Ok(stock(9, 3, 8)));
        assert_eq!(now.set(9, &Expected::Versions(vec![6])), Err(Refusal::Changed));
        assert_eq!(now.set(5, &Expected::Versions(vec![6])), Err(Refusal::Changed), "first of all");
        assert_eq!(now.set(9, &Expected::Versions(vec![])), Err(Refusal::Changed));
    }

    #[test]
    fn a_count_leaves_what_orders_hold() {
        let now = stock(5, 3, 7);
        assert_eq!(now.set(3, &Expected::Any), Ok(stock(3, 3, 8)));
        assert_eq!(now.set(2, &Expected::Any), Err(Refusal::BelowReserved));
    }

    #[test]
    fn a_count_of_the_same_is_no_change() {
        let now = stock(5, 3, 7);
        assert_eq!(now.set(5, &Expected::Versions(vec![7])), Ok(now));
    }
}
