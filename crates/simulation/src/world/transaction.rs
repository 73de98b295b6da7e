//! What services store and tell, together or not at all.

use std::rc::Rc;

use chrono::{DateTime, TimeDelta, Utc};
use contracts::events::Event;
use contracts::trace::TraceContext;

use super::World;
use crate::faults::Fault;
use crate::invariants;
use crate::services::{Service, States, Tx, new_id};
use crate::topics::Record;

/// How far before its time a transaction may have begun.
const OLD: TimeDelta = TimeDelta::seconds(60);

impl World<'_> {
    /// A transaction of a service; whether it was committed.
    pub(super) fn transact(
        &mut self,
        service: Service,
        fault: Option<Fault>,
        work: impl FnOnce(&mut States, &mut Tx) -> Result<(), String>,
    ) -> Result<bool, String> {
        let old = if fault == Some(Fault::OldTime) { OLD } else { TimeDelta::zero() };
        let crashes = fault == Some(Fault::CrashBeforeCommit);
        let before = crashes.then(|| self.states.clone());
        let mut tx = Tx::new(self.now(service) - old, &mut self.ids);
        work(&mut self.states, &mut tx).map_err(|error| format!("{service:?}: {error}"))?;
        let events = tx.events;
        if let Some(before) = before {
            self.states = before;
            self.crash(service);
            return Ok(false);
        }
        for (event, trace) in events {
            if event.topic().producer() != service.name() {
                return Err(format!("{service:?} publishes a {}", event.event_type()));
            }
            let record = self.record(event, trace);
            self.note(|world| format!("    tells {}", world.named(&record)));
            self.told.push(record.clone());
            self.outboxes[service as usize].push_back(record);
        }
        if service == Service::Orders { invariants::ends_stay(self) } else { Ok(true) }
    }

    /// What a process forgets when it dies.
    pub(super) fn crash(&mut self, service: Service) {
        self.note(|_| format!("    {service:?} dies"));
        if service == Service::Payments {
            for call in &mut self.calls {
                call.forget();
            }
        }
    }

    pub(super) fn now(&self, service: Service) -> DateTime<Utc> {
        self.time + self.ahead[service as usize]
    }

    /// Lets time pass until it is then by the clock of a service.
    pub(super) fn wait_until(&mut self, service: Service, then: DateTime<Utc>) {
        self.time = self.time.max(then - self.ahead[service as usize]);
    }

    pub(super) fn record(&mut self, event: Event, trace: TraceContext) -> Rc<Record> {
        Record::new(new_id(&mut self.ids), event, trace)
    }
}
