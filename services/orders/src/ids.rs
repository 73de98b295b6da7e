//! Ids of orders that are placed together.

use contracts::ids::OrderId;
use messaging::key_hash;
use uuid::Uuid;

/// Keys whose hashes leave the same remainder by this number lie in one partition wherever the number of partitions
/// divides it: where there are 1, 2, 3, 4, 6 or 12. Where there are others, they may lie in several, as any keys do. A larger
/// number would do for more of them, but an id takes so many draws on average.
const MODULUS: u32 = 12;

/// Draws ids so that all orders of a batch lie in one partition, and batches take turns.
///
/// What is published of them, keyed by the order, then goes over the brokers in one request for each topic instead of one for
/// each partition, and comes to a consumer at once.
#[derive(Debug, Default)]
pub(crate) struct Ids {
    remainder: u32,
}

impl Ids {
    /// For the next batch.
    pub(crate) fn turn(&mut self) {
        self.remainder = (self.remainder + 1) % MODULUS;
    }

    /// Later than all others of this process.
    pub(crate) fn draw(&self) -> OrderId {
        loop {
            let id = OrderId::from_uuid(Uuid::now_v7());
            if key_hash(&id.to_string()) % MODULUS == self.remainder {
                return id;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn a_batch_lies_in_one_partition_and_batches_in_all() {
        for partitions in [1, 2, 3, 4, 6, 12] {
            let mut ids = Ids::default();
            let mut used = BTreeSet::new();
            for _ in 0..partitions {
                ids.turn();
                let batch: BTreeSet<_> =
                    (0..20).map(|_| key_hash(&ids.draw().to_string()) % partitions).collect();
                assert_eq!(batch.len(), 1, "of {partitions}");
                used.extend(batch);
            }
            assert_eq!(used.len(), usize::try_from(partitions).unwrap());
        }
    }
}
