//! Records on their way: from outboxes to topics, and from topics to services.

use std::rc::Rc;

use super::World;
use crate::faults::{Fault, Step};
use crate::invariants;
use crate::services::Service;
use crate::topics::Record;

impl World<'_> {
    /// A relay publishes its oldest rows and deletes them.
    pub(super) fn relay(&mut self, service: Service) {
        let rows = if self.plain { 1 } else { 1 + self.choices.pick(3) };
        let outbox = &self.outboxes[service as usize];
        let records: Vec<Rc<Record>> = outbox.iter().take(rows).cloned().collect();
        let Some(first) = records.first() else { return };
        let fault = self.fault(Step::Relay(first.event_type));
        for record in &records {
            self.note(|world| {
                format!("{service:?} publishes {}{}", world.named(record), told(fault))
            });
            self.topics.publish(Rc::clone(record));
        }
        if fault != Some(Fault::PublishedTwice) {
            self.outboxes[service as usize].drain(..records.len());
        }
    }

    /// A service handles a batch that begins with the next record of a lane.
    pub(super) fn deliver(&mut self, service: Service, lane: usize) -> Result<(), String> {
        let reader = &mut self.readers[service as usize];
        let Some((_, first)) = reader.peek(&self.topics, lane) else { return Ok(()) };
        let first = Rc::clone(first);
        let fault = self.fault(Step::Handle(service, first.event_type));
        self.held.retain(|held| (held.0, held.1) != (service, lane));
        if let Some(delay @ (Fault::Late | Fault::Last)) = fault {
            self.note(|world| {
                format!("{service:?} waits with {}{}", world.named(&first), told(fault))
            });
            self.held.push((service, lane, delay));
            return Ok(());
        }

        let before = self.readers[service as usize].positions();
        let batch = self.read(service, lane);
        for record in &batch {
            self.note(|world| format!("{service:?} reads {}{}", world.named(record), told(fault)));
        }
        let reader = &mut self.readers[service as usize];
        let fresh: Vec<_> =
            batch.iter().filter(|record| reader.is_new(record.id)).cloned().collect();
        let committed = fresh.is_empty()
            || self.transact(service, fault, |states, tx| states.handle(service, &fresh, tx))?;
        if !committed {
            let reader = &mut self.readers[service as usize];
            reader.go_back(before);
            for record in fresh {
                reader.forget(record.id);
            }
            return Ok(());
        }
        invariants::heeded(self, service, &fresh)?;
        self.come_again(service, fault, &batch, before);
        Ok(())
    }

    /// What a fault after the commit brings about.
    fn come_again(
        &mut self,
        service: Service,
        fault: Option<Fault>,
        batch: &[Rc<Record>],
        before: Vec<usize>,
    ) {
        let reader = &mut self.readers[service as usize];
        if let Some(Fault::CrashAfterCommitForgotten | Fault::DuplicateForgotten) = fault {
            for record in batch {
                reader.forget(record.id);
            }
        }
        match fault {
            Some(Fault::CrashAfterCommit | Fault::CrashAfterCommitForgotten) => {
                reader.go_back(before);
                self.crash(service);
            }
            Some(Fault::Duplicate | Fault::DuplicateForgotten) => {
                for record in batch {
                    self.topics.publish(Rc::clone(record));
                }
            }
            Some(Fault::ReadAgain) => {
                reader.forget_all();
                reader
                    .read_again(&self.topics, batch.first().map(|first| first.event_type.topic()));
            }
            _ => {}
        }
    }

    /// The next record of a lane, and maybe some of others that are there, too.
    fn read(&mut self, service: Service, lane: usize) -> Vec<Rc<Record>> {
        let more = if self.plain { 0 } else { [0, 0, 0, 0, 1, 2, 8][self.choices.pick(7)] };
        let mut batch = Vec::new();
        let mut next = Some(lane);
        while let Some(lane) = next {
            let reader = &mut self.readers[service as usize];
            if let Some((_, record)) = reader.peek(&self.topics, lane) {
                batch.push(Rc::clone(record));
                reader.advance(lane);
            }
            next = if batch.len() <= more { self.any_lane(service) } else { None };
        }
        batch
    }

    fn any_lane(&mut self, service: Service) -> Option<usize> {
        let mut heads = self.heads();
        heads.retain(|head| head.service == service && head.delayed.is_none());
        let choice = self.choices.pick(heads.len());
        heads.get(choice).map(|head| head.lane)
    }
}

/// What the log says of a fault.
pub(super) fn told(fault: Option<Fault>) -> String {
    fault.map_or_else(String::new, |fault| format!("  ! {fault:?}"))
}
