//! The changes of each order in their order, for one stream. Pure.
//!
//! How an order was fulfilled is told on another topic than the steps before it, and the two arrive
//! independently: the completion may be here before the reservation. A client that shows whatever came
//! last would then show the order as open for ever. So a change waits for the one before it.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use contracts::events::OrderStatus;
use contracts::ids::OrderId;
use tokio::time::Instant;

use crate::hub::{Recorded, Update};

/// How long a change waits. Its forerunner is on its way, unless it was told on an earlier stream.
const HOLD: Duration = Duration::from_secs(5);

/// Ended orders that are remembered, the last ones, so that repeats of their steps are known as such. A
/// repeat of an order that ended before them is told once more.
const ENDED: usize = 4096;

/// What one stream has told, and what it holds back.
#[derive(Debug, Default)]
pub struct Sequence {
    told: HashMap<OrderId, Told>,
    /// Those of them that have ended, in the order of their ends.
    ended: VecDeque<OrderId>,
    early: HashMap<Change, Recorded>,
    /// What is early, and has been, by the time it came.
    came: VecDeque<(Instant, Change)>,
}

/// An order and its version.
type Change = (OrderId, u32);

#[derive(Debug, Default)]
struct Told {
    /// One bit a version; no order has more than three.
    versions: u32,
    ended: bool,
}

impl Sequence {
    /// Notes what the database told: whatever was before it is not told any more.
    pub fn past(&mut self, update: &Update) {
        self.note(update, up_to(update.version));
    }

    /// Takes a change that arrived; whatever can be told now is added to `ready`.
    pub fn arrived(&mut self, news: Recorded, now: Instant, ready: &mut VecDeque<Recorded>) {
        let change = (news.1.order, news.1.version);
        if self.has_told(change) {
            return;
        }
        let (order, version) = change;
        if version <= 1 || self.has_told((order, version - 1)) {
            self.tell(news, ready);
        } else if self.early.insert(change, news).is_none() {
            self.came.push_back((now, change));
        }
    }

    /// Gives up waiting for what did not come in time.
    pub fn overdue(&mut self, now: Instant, ready: &mut VecDeque<Recorded>) {
        while let Some((_, change)) = self.came.pop_front_if(|(came, _)| *came + HOLD <= now) {
            if let Some(news) = self.early.remove(&change) {
                self.tell(news, ready);
            }
        }
    }

    /// When to ask for what is overdue.
    pub fn next_due(&mut self) -> Option<Instant> {
        while self.came.pop_front_if(|(_, change)| !self.early.contains_key(change)).is_some() {}
        self.came.front().map(|(came, _)| *came + HOLD)
    }

    /// Tells a change, and those that waited for it.
    fn tell(&mut self, news: Recorded, ready: &mut VecDeque<Recorded>) {
        let mut next = Some(news);
        while let Some(news) = next {
            let Update { order, version, .. } = news.1;
            self.note(&news.1, bit(version));
            ready.push_back(news);
            next = self.early.remove(&(order, version + 1));
        }
    }

    fn has_told(&self, (order, version): Change) -> bool {
        self.told.get(&order).is_some_and(|told| told.versions & bit(version) != 0)
    }

    fn note(&mut self, update: &Update, versions: u32) {
        let told = self.told.entry(update.order).or_default();
        told.versions |= versions;
        if update.state.status() != OrderStatus::Pending && !told.ended {
            told.ended = true;
            self.ended.push_back(update.order);
        }
        if self.ended.len() > ENDED
            && let Some(oldest) = self.ended.pop_front()
        {
            self.told.remove(&oldest);
        }
    }
}

fn bit(version: u32) -> u32 {
    1 << version.min(31)
}

fn up_to(version: u32) -> u32 {
    u32::MAX >> (31 - version.min(31))
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;
    use crate::order::State;

    fn news(order: u128, version: u32) -> Recorded {
        let state = if version == 3 { State::Completed } else { State::Created };
        let order = OrderId::from_uuid(Uuid::from_u128(order));
        let at = DateTime::UNIX_EPOCH;
        (at, Update { order, state, version, at })
    }

    fn versions(ready: &VecDeque<Recorded>, order: u128) -> Vec<u32> {
        let order = OrderId::from_uuid(Uuid::from_u128(order));
        ready.iter().filter(|(_, u)| u.order == order).map(|(_, u)| u.version).collect()
    }

    #[test]
    fn what_comes_early_waits_for_what_is_before_it() {
        let (mut sequence, mut ready, now) = (Sequence::default(), VecDeque::new(), Instant::now());
        sequence.arrived(news(1, 3), now, &mut ready);
        sequence.arrived(news(2, 1), now, &mut ready);
        sequence.arrived(news(1, 1), now, &mut ready);
        assert_eq!(versions(&ready, 1), [1]);
        sequence.arrived(news(1, 2), now, &mut ready);
        assert_eq!((versions(&ready, 1), versions(&ready, 2)), (vec![1, 2, 3], vec![1]));
        assert_eq!(sequence.next_due(), None);
    }

    #[test]
    fn what_the_database_told_is_not_told_again_and_nothing_waits_for_it() {
        let (mut sequence, mut ready, now) = (Sequence::default(), VecDeque::new(), Instant::now());
        sequence.past(&news(1, 2).1);
        sequence.arrived(news(1, 2), now, &mut ready);
        assert!(ready.is_empty());
        sequence.arrived(news(1, 3), now, &mut ready);
        assert_eq!(versions(&ready, 1), [3]);
    }

    #[test]
    fn what_was_before_what_the_database_told_is_not_told_after_it() {
        let (mut sequence, mut ready, now) = (Sequence::default(), VecDeque::new(), Instant::now());
        sequence.past(&news(1, 2).1);
        sequence.arrived(news(1, 1), now, &mut ready);
        sequence.arrived(news(1, 3), now, &mut ready);
        assert_eq!(versions(&ready, 1), [3]);
    }

    #[test]
    fn waiting_has_an_end_and_what_comes_later_still_is_told() {
        let (mut sequence, mut ready, now) = (Sequence::default(), VecDeque::new(), Instant::now());
        sequence.arrived(news(1, 3), now, &mut ready);
        let due = sequence.next_due().unwrap();
        sequence.overdue(due.checked_sub(Duration::from_millis(1)).unwrap(), &mut ready);
        assert!(ready.is_empty());
        sequence.overdue(due, &mut ready);
        assert_eq!(versions(&ready, 1), [3]);
        sequence.arrived(news(1, 1), now, &mut ready);
        sequence.arrived(news(1, 2), now, &mut ready);
        assert_eq!(versions(&ready, 1), [3, 1, 2], "late is better than a gap");
        assert_eq!(sequence.next_due(), None);
    }

    #[test]
    fn repeats_that_wait_are_told_once() {
        let (mut sequence, mut ready, now) = (Sequence::default(), VecDeque::new(), Instant::now());
        for version in [3, 3, 2, 2, 1, 1, 3, 2, 1] {
            sequence.arrived(news(1, version), now, &mut ready);
        }
        sequence.overdue(now + HOLD, &mut ready);
        assert_eq!(versions(&ready, 1), [1, 2, 3]);
        assert_eq!(sequence.next_due(), None);
    }

    #[test]
    fn what_does_not_wait_any_more_is_not_due() {
        let (mut sequence, mut ready, now) = (Sequence::default(), VecDeque::new(), Instant::now());
        let later = now + Duration::from_secs(1);
        sequence.arrived(news(1, 2), now, &mut ready);
        sequence.arrived(news(2, 2), later, &mut ready);
        sequence.arrived(news(1, 1), later, &mut ready);
        assert_eq!(sequence.next_due(), Some(later + HOLD));
        sequence.overdue(later + HOLD, &mut ready);
        assert_eq!((versions(&ready, 1), versions(&ready, 2)), (vec![1, 2], vec![2]));
    }

    #[test]
    fn only_open_orders_are_remembered_for_long() {
        let (mut sequence, mut ready, now) = (Sequence::default(), VecDeque::new(), Instant::now());
        sequence.arrived(news(0, 1), now, &mut ready);
        for order in 1..=10_000 {
            for version in 1..=3 {
                sequence.arrived(news(order, version), now, &mut ready);
            }
        }
        assert!(sequence.told.len() <= ENDED + 2, "{}", sequence.told.len());
        sequence.arrived(news(0, 2), now, &mut ready);
        assert_eq!(versions(&ready, 0), [1, 2]);
    }

    #[test]
    fn those_that_ended_last_are_remembered() {
        let (mut sequence, mut ready, now) = (Sequence::default(), VecDeque::new(), Instant::now());
        let orders = ENDED as u128 + 1;
        for order in 1..=orders {
            for version in 1..=3 {
                sequence.arrived(news(order, version), now, &mut ready);
            }
        }
        ready.clear();
        for order in 2..=orders {
            for version in 1..=3 {
                sequence.arrived(news(order, version), now, &mut ready);
            }
        }
        assert_eq!(ready.len(), 0);
    }

    proptest! {
        #[test]
        fn any_arrival_is_told_once_and_in_order(
            arrivals in Just([1, 2, 3]).prop_shuffle().prop_flat_map(|first| {
                (Just(first), proptest::collection::vec(1_u32..=3, 0..6)).prop_map(|(first, more)| {
                    let mut all = more;
                    all.extend(first);
                    all
                })
            })
        ) {
            let (mut sequence, mut ready) = (Sequence::default(), VecDeque::new());
            let now = Instant::now();
            for version in arrivals {
                sequence.arrived(news(1, version), now, &mut ready);
            }
            prop_assert_eq!(versions(&ready, 1), [1, 2, 3]);
        }
    }
}
