//! Which kinds of orders are placed, and how often each.

use serde::{Deserialize, Serialize};

/// How an order is meant to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Completed, with a payment method named in the order.
    Completed,
    /// Failed, because the card is declined.
    Declined,
    /// Failed, because nothing is left.
    OutOfStock,
    /// Cancelled by the customer right after it was placed.
    Cancelled,
    /// Completed, and paid by a request of its own.
    PaidLater,
}

/// How many orders of each kind there are among so many.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Mix {
    /// Of [`Kind::Completed`].
    pub completed: u32,
    /// Of [`Kind::Declined`].
    pub declined: u32,
    /// Of [`Kind::OutOfStock`].
    pub out_of_stock: u32,
    /// Of [`Kind::Cancelled`].
    pub cancelled: u32,
    /// Of [`Kind::PaidLater`].
    pub paid_later: u32,
}

impl Default for Mix {
    fn default() -> Self {
        Self { completed: 1, declined: 0, out_of_stock: 0, cancelled: 0, paid_later: 0 }
    }
}

impl Mix {
    /// Six in ten completed at once, and a tenth of each other kind.
    pub const OF_ALL_KINDS: Self =
        Self { completed: 6, declined: 1, out_of_stock: 1, cancelled: 1, paid_later: 1 };

    fn weights(&self) -> [(Kind, u32); 5] {
        [
            (Kind::Completed, self.completed),
            (Kind::Declined, self.declined),
            (Kind::OutOfStock, self.out_of_stock),
            (Kind::Cancelled, self.cancelled),
            (Kind::PaidLater, self.paid_later),
        ]
    }

    /// The kind that a number drawn at random stands for. A mix of nothing is one of completed orders.
    pub fn pick(&self, drawn: u64) -> Kind {
        let weights = self.weights();
        let all: u64 = weights.iter().map(|(_, weight)| u64::from(*weight)).sum();
        let mut at = drawn.checked_rem(all).unwrap_or_default();
        for (kind, weight) in weights {
            match at.checked_sub(weight.into()) {
                Some(rest) => at = rest,
                None => return kind,
            }
        }
        Kind::Completed
    }
}

/// A number as if drawn at random, the same each time for a seed and a position: whatever order requests are
/// sent in, the same ones are sent. (Splitmix64.)
pub fn draw(seed: u64, position: u64) -> u64 {
    let mut mixed = seed.wrapping_add(position.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn each_kind_comes_as_often_as_it_should() {
        let mut counts = BTreeMap::new();
        for position in 0..100_000 {
            *counts.entry(Mix::OF_ALL_KINDS.pick(draw(7, position))).or_insert(0) += 1;
        }
        assert_eq!(counts.len(), 5);
        for (kind, count) in counts {
            let expected = if kind == Kind::Completed { 60_000 } else { 10_000 };
            assert!((expected - 1000..expected + 1000).contains(&count), "{kind:?}: {count}");
        }
    }

    #[test]
    fn kinds_that_are_not_in_the_mix_do_not_come() {
        let mix = Mix { completed: 0, declined: 3, ..Mix::default() };
        assert!((0..1000).all(|position| mix.pick(draw(1, position)) == Kind::Declined));
        let nothing = Mix { completed: 0, ..Mix::default() };
        assert_eq!(nothing.pick(5), Kind::Completed);
    }

    #[test]
    fn a_seed_draws_the_same_again_and_another_seed_something_else() {
        let drawn = |seed| (0..100).map(|position| draw(seed, position)).collect::<Vec<_>>();
        assert_eq!(drawn(1), drawn(1));
        assert_ne!(drawn(1), drawn(2));
    }
}
