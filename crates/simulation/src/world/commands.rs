//! What customers, timers and the mail server do.

use ::notification::notice::Kind;
use contracts::ids::OrderId;
use contracts::trace::TraceContext;

use super::delivery::told;
use super::{Placement, World};
use crate::faults::{Fault, Step};
use crate::invariants;
use crate::plan::Wish;
use crate::services::Service;

impl World<'_> {
    /// A customer places a planned order.
    pub(super) fn place(&mut self, order: usize) -> Result<(), String> {
        let fault = self.fault(Step::Place);
        self.note(|_| format!("order {order} is placed{}", told(fault)));
        let number = u8::try_from(order).unwrap_or(0) + 1;
        let trace = TraceContext::new([number; 16], [number; 8]);
        let customer = self.customers[order % self.customers.len()];
        let (lines, method) = (self.lines(order), self.plan.orders[order].method);
        let mut placed = None;
        let committed = self.transact(Service::Orders, fault, |states, tx| {
            placed = states.orders.place(customer, lines, method, trace, tx).ok();
            Ok(())
        })?;
        if committed {
            self.placements[order] = placed.map_or(Placement::Refused, Placement::Placed);
        }
        Ok(())
    }

    /// What was wished for a planned order happens.
    pub(super) fn wish(&mut self, order: usize, wish: usize) -> Result<(), String> {
        let Placement::Placed(id) = self.placements[order] else { return Ok(()) };
        let what = self.plan.orders[order].wishes[wish].1;
        let done = match what {
            Wish::Cancel => {
                let fault = self.fault(Step::Cancel);
                self.note(|_| format!("order {order}: {what:?}{}", told(fault)));
                let cancelled = self.transact(Service::Orders, fault, |states, tx| {
                    states.orders.cancel(id, tx);
                    Ok(())
                })?;
                cancelled && fault != Some(Fault::CrashAfterCommit)
            }
            Wish::Pay(method) => {
                let fault = self.fault(Step::Pay);
                self.note(|_| format!("order {order}: {what:?}{}", told(fault)));
                let trace = TraceContext::new([8; 16], [8; 8]);
                let paid = self.transact(Service::Payments, fault, |states, tx| {
                    states.payments.pay(id, method, trace, tx);
                    Ok(())
                })?;
                paid && fault != Some(Fault::CrashAfterCommit)
            }
            Wish::TimerEarly => self.fire(id, true)?,
        };
        self.wishes_done[order][wish] = done;
        Ok(())
    }

    /// A timer fires: when it is due, or before by a clock that is ahead for a moment. Whether it has.
    pub(super) fn fire(&mut self, order: OrderId, early: bool) -> Result<bool, String> {
        let Some(fires_at) = self.states.expiration.fires_at(order) else { return Ok(true) };
        invariants::may_fire(self, order)?;
        let fault = self.fault(Step::Fire);
        self.note(|_| format!("a timer fires{}", told(fault)));
        let (time, service) = (self.time, Service::Expiration);
        self.wait_until(service, fires_at);
        let fired = self.transact(service, fault, |states, tx| {
            states.expiration.fire(order, tx);
            Ok(())
        })?;
        if early {
            self.time = time;
        }
        Ok(fired)
    }

    /// An e-mail goes out; unless the sender dies before it has recorded that, it goes out once.
    pub(super) fn send(&mut self, order: OrderId, kind: Kind) {
        let fault = self.fault(Step::Send);
        self.note(|_| format!("{} is sent{}", kind.as_str(), told(fault)));
        if let Some(mail) = self.states.notification.mails.get_mut(&(order, kind)) {
            self.mails.push((order, kind, mail.id));
            mail.sent = fault != Some(Fault::CrashBeforeCommit);
        }
    }
}
