use std::collections::BTreeMap;
use std::rc::Rc;

use ::expiration::timer::{Change, changes};
use chrono::{DateTime, Utc};
use contracts::events::ExpirationCompleted;
use contracts::ids::OrderId;
use contracts::trace::TraceContext;

use super::Tx;
use crate::topics::Record;

/// What expiration has stored.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Expiration {
    /// The timer of each order; `None` once it is closed.
    pub timers: BTreeMap<OrderId, Option<(DateTime<Utc>, TraceContext)>>,
}

impl Expiration {
    pub(super) fn handle(&mut self, batch: &[Rc<Record>]) {
        // As `store::write` does: a closed one stays closed, one that is set keeps its time.
        for (order, change) in changes(batch.iter().map(|record| (&record.event, record.trace))) {
            match change {
                Change::Set { fires_at, trace } => {
                    self.timers.entry(order).or_insert(Some((fires_at, trace)));
                }
                Change::Close => {
                    self.timers.insert(order, None);
                }
            }
        }
    }

    /// When an order's timer is due, if it is set.
    pub fn fires_at(&self, order: OrderId) -> Option<DateTime<Utc>> {
        self.timers.get(&order)?.map(|(fires_at, _)| fires_at)
    }

    /// The timer that is due first.
    pub fn next(&self) -> Option<(DateTime<Utc>, OrderId)> {
        let set = |(order, timer): (&OrderId, &Option<_>)| timer.map(|(at, _)| (at, *order));
        self.timers.iter().filter_map(set).min()
    }

    /// Fires a timer that is due, as the clock does.
    pub fn fire(&mut self, order_id: OrderId, tx: &mut Tx) {
        let Some(timer) = self.timers.get_mut(&order_id) else { return };
        if let Some((_, trace)) = timer.take_if(|(fires_at, _)| *fires_at <= tx.now) {
            let (expired_at, trace_id) = (tx.now, trace.trace_id);
            tx.publish(ExpirationCompleted { order_id, expired_at, trace_id }, trace);
        }
    }
}
