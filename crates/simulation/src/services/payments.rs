use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use ::payments::cause::Cause;
use ::payments::changes::{Happened, changes};
use ::payments::payment::{Payment, pay};
use ::payments::provider::Request;
use chrono::TimeDelta;
use contracts::events::Event;
use contracts::ids::{OrderId, PaymentId};
use contracts::trace::TraceContext;

use super::Tx;
use crate::topics::Record;

/// How long a claim is valid.
const LEASE: TimeDelta = TimeDelta::seconds(7);

/// What payments has stored.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Payments {
    /// The payment of each order.
    pub payments: BTreeMap<OrderId, Payment>,
    pub(super) keys: BTreeSet<String>,
}

impl Payments {
    pub(super) fn handle(&mut self, batch: &[Rc<Record>], tx: &mut Tx) -> Result<(), String> {
        let mut happened = Vec::new();
        for record in batch {
            if let Event::SigningKeyPublished(key) = &record.event {
                self.keys.insert(key.key_id.clone());
            }
            let cause = Cause::of(&record.event).map_err(|error| error.to_string())?;
            let trace = Some(record.trace);
            happened.extend(cause.map(|(order, cause)| Happened { order, cause, trace }));
        }
        self.record(happened, tx);
        Ok(())
    }

    /// Something has come of a call to the provider.
    pub fn answered(&mut self, order: OrderId, cause: Cause, tx: &mut Tx) {
        self.record(vec![Happened { order, cause, trace: None }], tx);
    }

    fn record(&mut self, happened: Vec<Happened>, tx: &mut Tx) {
        let known =
            happened.iter().filter_map(|happened| self.payments.get(&happened.order)).cloned();
        let now = tx.now;
        let no_trace = TraceContext::new([0; 16], [0; 8]);
        let (changes, events) = changes(known.collect(), happened, now, |order, trace| {
            let id = PaymentId::from_uuid(tx.new_id());
            Payment::new(id, order, trace.unwrap_or(no_trace), now)
        });
        for change in changes {
            self.payments.insert(change.payment.order, change.payment);
        }
        tx.events.extend(events);
    }

    /// The customer wants to pay; whoever is refused has tried.
    pub fn pay(&mut self, order: OrderId, method: &str, trace: TraceContext, tx: &mut Tx) {
        let Some(payment) = self.payments.get_mut(&order) else { return };
        if let Ok(Some(decision)) = pay(payment, method, trace, tx.now) {
            *payment = decision.payment;
            tx.events.extend(decision.event.map(|event| (event, trace)));
        }
    }

    /// Claims a payment that is due, as `store::claim` does, and returns what to ask.
    pub fn claim(&mut self, order: OrderId, tx: &Tx) -> Option<Request> {
        let payment = self.payments.get_mut(&order)?;
        payment.due_at.filter(|due_at| *due_at <= tx.now)?;
        payment.due_at = Some(tx.now + LEASE);
        payment.attempt += 1;
        Request::of(payment)
    }
}
