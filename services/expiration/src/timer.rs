//! What events do to the timers of orders. Pure.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use contracts::events::Event;
use contracts::ids::OrderId;
use contracts::trace::TraceContext;

/// What is known of an order's timer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Timer {
    /// Fires at a time, in the trace of the order.
    Set {
        /// When.
        fires_at: DateTime<Utc>,
        /// The trace of the event that set it.
        trace: TraceContext,
    },
    /// There is nothing to wait for, nor will there be: the order has ended, or the timer has fired.
    Done,
}

impl Timer {
    /// What an event says about the timer of an order, if it says anything.
    pub fn of(event: &Event, trace: TraceContext) -> Option<(OrderId, Self)> {
        match event {
            Event::OrderCreated(created) => {
                Some((created.order_id, Self::Set { fires_at: created.expires_at, trace }))
            }
            Event::OrderCancelled(cancelled) => Some((cancelled.order_id, Self::Done)),
            Event::OrderCompleted(completed) => Some((completed.order_id, Self::Done)),
            Event::OrderFailed(failed) => Some((failed.order_id, Self::Done)),
            _ => None,
        }
    }

    /// The timer after one more event. What was set first stays, and an end is final, whenever it is
    /// heard of.
    #[must_use]
    pub fn and(self, heard: Self) -> Self {
        match heard {
            Self::Done => Self::Done,
            Self::Set { .. } => self,
        }
    }
}

/// What a batch of events does to timers, each order once, in the order of their ids.
pub fn changes(events: impl IntoIterator<Item = (OrderId, Timer)>) -> BTreeMap<OrderId, Timer> {
    let mut changes: BTreeMap<OrderId, Timer> = BTreeMap::new();
    for (order, heard) in events {
        changes.entry(order).and_modify(|timer| *timer = timer.and(heard)).or_insert(heard);
    }
    changes
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;

    fn order(n: u128) -> OrderId {
        OrderId::from_uuid(Uuid::from_u128(n))
    }

    fn set(seconds: i64) -> Timer {
        let fires_at = DateTime::from_timestamp(seconds, 0).unwrap();
        Timer::Set { fires_at, trace: TraceContext::new([1; 16], [2; 8]) }
    }

    #[test]
    fn an_end_is_final_whenever_it_is_heard_of() {
        let heard = |timers: &[Timer]| changes(timers.iter().map(|timer| (order(1), *timer)));
        let is = |timer| BTreeMap::from([(order(1), timer)]);
        assert_eq!(heard(&[set(5)]), is(set(5)));
        assert_eq!(heard(&[set(5), Timer::Done]), is(Timer::Done));
        assert_eq!(heard(&[Timer::Done, set(5)]), is(Timer::Done));
        assert_eq!(heard(&[set(5), set(9)]), is(set(5)), "what was set first stays");
        assert_eq!(heard(&[Timer::Done, Timer::Done]), is(Timer::Done));
        assert_eq!(heard(&[]), BTreeMap::new());
    }

    proptest! {
        #[test]
        fn exactly_the_open_orders_have_a_timer(
            heard in prop::collection::vec((0..12_u128, any::<bool>()), 0..60),
            batch in 1..20_usize,
        ) {
            let event = |(n, ended): (u128, bool)| {
                // The time an order expires at never changes.
                (order(n), if ended { Timer::Done } else { set(i64::try_from(n).unwrap()) })
            };
            // As the table keeps them: each batch is folded, then laid over what is known.
            let mut known: BTreeMap<OrderId, Timer> = BTreeMap::new();
            for batch in heard.chunks(batch) {
                for (order, change) in changes(batch.iter().copied().map(event)) {
                    known.entry(order).and_modify(|timer| *timer = timer.and(change)).or_insert(change);
                }
            }
            let ended: BTreeSet<u128> = heard.iter().filter(|(_, ended)| *ended).map(|e| e.0).collect();
            let created: BTreeSet<u128> = heard.iter().filter(|(_, ended)| !ended).map(|e| e.0).collect();
            let open: BTreeSet<OrderId> = created.difference(&ended).map(|n| order(*n)).collect();
            let timers = known.iter().filter(|(_, timer)| **timer != Timer::Done);
            prop_assert_eq!(timers.map(|(order, _)| *order).collect::<BTreeSet<_>>(), open);
        }
    }
}
