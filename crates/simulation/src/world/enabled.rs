//! What can happen next.

use ::notification::notice::Kind;
use contracts::events::{EventType, Line};
use contracts::ids::OrderId;

use super::{Placement, World};
use crate::faults::Fault;
use crate::plan::{When, Wish};
use crate::services::Service;

/// Something that can happen.
#[derive(Debug, Clone, Copy)]
pub(super) enum Action {
    /// auth or products publish something.
    Outside,
    /// The admin sets the stock of a product.
    Stock(usize),
    /// A customer places an order.
    Place(usize),
    /// A wish of an order's comes true.
    Wish(usize, usize),
    /// A service's relay publishes.
    Relay(Service),
    /// A service reads the next record of a lane, and maybe more.
    Deliver(Service, usize),
    /// payments claims what is due, and calls the provider.
    Ask(OrderId),
    /// The provider takes a call.
    Answer(usize),
    /// notification sends an e-mail.
    Send(OrderId, Kind),
    /// A timer that is due fires.
    Fire(OrderId),
}

/// More calls than one at once are made when a lease ends before the answer is there.
const CALLS_AT_ONCE: usize = 2;

impl World<'_> {
    /// What can happen next; the first of it is what happens in a world without surprises.
    pub(super) fn enabled(&mut self) -> Vec<Action> {
        let heads = self.heads();
        if let Some((service, event_type)) = self.injection.first {
            let first =
                heads.iter().find(|head| (head.service, head.event_type) == (service, event_type));
            if let Some(head) = first {
                return vec![Action::Deliver(head.service, head.lane)];
            }
        }
        let mut actions = Vec::with_capacity(32);
        if !self.outside.is_empty() {
            actions.push(Action::Outside);
        }
        for (index, (product, _)) in self.stocking.iter().enumerate() {
            if self.states.inventory.stock.contains_key(&self.skus[*product]) {
                actions.push(Action::Stock(index));
            }
        }
        if !self.opening {
            self.customers_actions(&mut actions);
        }
        for service in Service::ALL {
            if !self.outboxes[service as usize].is_empty() {
                actions.push(Action::Relay(service));
            }
        }
        let at_once = heads.iter().filter(|head| head.delayed.is_none());
        actions.extend(at_once.map(|head| Action::Deliver(head.service, head.lane)));
        self.payments_actions(&mut actions);
        actions.extend(
            self.states.notification.queued().map(|(order, kind)| Action::Send(order, kind)),
        );
        if !actions.is_empty() || self.opening {
            return actions;
        }
        let delayed = |fault| {
            let heads = heads.iter().filter(move |head| head.delayed == Some(fault));
            heads.map(|head| Action::Deliver(head.service, head.lane))
        };
        actions.extend(delayed(Fault::Late));
        if actions.is_empty() {
            actions.extend(self.states.expiration.next().map(|(_, order)| Action::Fire(order)));
        }
        if actions.is_empty() {
            actions.extend(delayed(Fault::Last));
        }
        actions
    }

    fn customers_actions(&self, actions: &mut Vec<Action>) {
        for (at, order) in self.plan.orders.iter().enumerate() {
            match self.placements[at] {
                Placement::Waiting => {
                    let may = order.placed == When::Any || self.has_come(0, order.placed);
                    if may && self.states.orders.can_quote(&self.lines(at)) {
                        actions.push(Action::Place(at));
                    }
                }
                Placement::Placed(id) => {
                    for (index, (when, wish)) in order.wishes.iter().enumerate() {
                        let done = self.wishes_done[at][index];
                        if !done && self.is_possible(id, *wish) && self.has_come(at, *when) {
                            actions.push(Action::Wish(at, index));
                        }
                    }
                }
                Placement::Refused => {}
            }
        }
    }

    fn is_possible(&self, order: OrderId, wish: Wish) -> bool {
        match wish {
            Wish::Cancel => true,
            Wish::Pay(_) => {
                let payment = self.states.payments.payments.get(&order);
                payment.is_some_and(|payment| payment.bill.is_some())
            }
            Wish::TimerEarly => self.states.expiration.fires_at(order).is_some(),
        }
    }

    fn has_come(&self, order: usize, when: When) -> bool {
        let Placement::Placed(id) = self.placements[order] else { return false };
        match when {
            When::Any => true,
            When::Told(event_type) => {
                let key = id.to_string();
                self.told.iter().any(|told| told.event_type == event_type && told.key == key)
            }
            When::Asked => self.calls.iter().any(|call| call.order() == id),
        }
    }

    /// Whether a planned order is placed only if the first one comes that far.
    pub(crate) fn has_condition(&self, order: usize) -> bool {
        self.plan.orders[order].placed != When::Any
    }

    /// What a planned order is to consist of.
    pub(super) fn lines(&self, order: usize) -> Vec<Line> {
        let line = |&(product, qty): &(usize, u32)| Line { sku: self.skus[product].clone(), qty };
        self.plan.orders[order].lines.iter().map(line).collect()
    }

    fn payments_actions(&self, actions: &mut Vec<Action>) {
        actions.extend((0..self.calls.len()).map(Action::Answer));
        for payment in self.states.payments.payments.values() {
            let calls = || self.calls.iter().filter(|call| call.is_for(payment.order)).count();
            let most = if self.plain { 1 } else { CALLS_AT_ONCE };
            if payment.due_at.is_some() && calls() < most {
                actions.push(Action::Ask(payment.order));
            }
        }
    }

    /// The next record of every lane for every service, the oldest first.
    pub(super) fn heads(&mut self) -> Vec<Head> {
        let mut heads = Vec::with_capacity(16);
        for service in Service::ALL {
            let reader = &mut self.readers[service as usize];
            for lane in 0..self.topics.lanes().len() {
                let Some((published, record)) = reader.peek(&self.topics, lane) else { continue };
                let is_held = |held: &&(Service, usize, Fault)| (held.0, held.1) == (service, lane);
                let is_last = self.injection.last == Some((service, record.event_type));
                let held = self.held.iter().find(is_held).map(|held| held.2);
                let delayed = held.or(is_last.then_some(Fault::Last));
                let event_type = record.event_type;
                heads.push(Head { published: *published, service, lane, event_type, delayed });
            }
        }
        heads.sort_unstable_by_key(|head| (head.published, head.service));
        heads
    }
}

/// The next record of a lane.
pub(super) struct Head {
    published: u32,
    pub(super) service: Service,
    pub(super) lane: usize,
    event_type: EventType,
    /// Whether it has to wait, and for what.
    pub(super) delayed: Option<Fault>,
}
