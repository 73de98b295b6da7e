//! Ids of orders that are placed together.

use contracts::ids::OrderId;
use messaging::key_hash;
use uuid::Uuid;

/// By this number, keys whose hashes leave the same remainder lie in one partition, wherever the number of
/// partitions divides it: with 1, 2, 3, 4, 6 and 12 of them. With others they may lie in several, which costs
/// but what it did before. A larger number would have more, and each id is drawn so many times.
const PARTITIONS: u32 = 12;

/// Draws ids so that all orders of a batch lie in one partition, and batches take turns.
///
/// What is published together, and all that follows from it, then goes over the brokers in one request instead of
/// one for each partition, and comes to each consumer at once.
#[derive(Debug, Default)]
pub(crate) struct Ids {
    remainder: u32,
}

impl Ids {
    /// For the next batch.
    pub(crate) fn turn(&mut self) {
        self.remainder = (self.remainder + 1) % PARTITIONS;
    }

    /// Later than all others of this process.
    pub(crate) fn draw(&self) -> OrderId {
        loop {
            let id = OrderId::from_uuid(Uuid::now_v7());
            if key_hash(&id.to_string()) % PARTITIONS == self.remainder {
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
