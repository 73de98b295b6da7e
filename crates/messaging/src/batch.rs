//! One batch of records, one database transaction.

use std::{collections::HashSet, panic::AssertUnwindSafe, time::Instant};

use chrono::TimeDelta;
use contracts::topic::Topic;
use futures_util::FutureExt as _;
use rdkafka::message::BorrowedMessage;
use tracing::Span;
use uuid::Uuid;

use crate::{
    consumer::Handler,
    dead_letter::{self, Failure},
    error::{HandlerError, chain},
    inbox,
    outbox::{Outbox, Tx},
    record::{Decoded, Poison, Received},
    steps,
};

/// Records in the order they were polled, each with what it turned out to be.
#[derive(Default)]
pub(crate) struct Batch<'p> {
    /// Events, in order, and beside each the record it came in.
    events: Vec<Received>,
    messages: Vec<&'p BorrowedMessage<'p>>,
    poison: Vec<(&'p BorrowedMessage<'p>, Topic, Poison)>,
}

/// What became of a batch's events, by where they are in it.
#[derive(Debug, Default)]
pub(crate) struct Done {
    /// Those that were not processed before.
    fresh: Vec<usize>,
    /// Those of them that are dead letters now.
    letters: Vec<usize>,
}

/// How one attempt is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// All events in one call of the handler.
    Whole,
    /// In halves, down to the record that cannot be processed.
    Bisect,
}

/// Why an attempt was rolled back.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failed {
    #[error(transparent)]
    Handler(HandlerError),
    #[error("the handler panicked: {0}")]
    Panic(String),
}

impl<E: Into<HandlerError>> From<E> for Failed {
    fn from(error: E) -> Self {
        Self::Handler(error.into())
    }
}

/// What is known of the batch's earlier attempts, for dead letters.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Attempts {
    pub(crate) count: i32,
    /// When the first failed.
    pub(crate) failed_since: Option<Instant>,
    /// How often another transaction was first.
    pub(crate) conflicts: u32,
}

impl Attempts {
    /// How long attempts have failed for.
    fn failing_for(self) -> TimeDelta {
        let time = self.failed_since.map(|since| since.elapsed()).unwrap_or_default();
        TimeDelta::from_std(time).unwrap_or_default()
    }

    /// Whether `error` lies in a record, so that looking for it can help.
    pub(crate) fn hold_at_fault(self, error: &Failed) -> bool {
        match error {
            Failed::Panic(_) | Failed::Handler(HandlerError::Permanent(_)) => true,
            Failed::Handler(HandlerError::Conflict(_)) => self.conflicts > MAX_CONFLICTS,
            Failed::Handler(HandlerError::Transient(_)) => false,
        }
    }
}

/// How often a conflict is tried again before a record is held to be at fault.
const MAX_CONFLICTS: u32 = 3;

impl<'p> Batch<'p> {
    /// The records, and beside each where it was read and what it turned out to be.
    pub(crate) fn new(messages: &'p [BorrowedMessage<'p>], decoded: Vec<(Topic, Decoded)>) -> Self {
        let mut batch = Self::default();
        batch.events.reserve_exact(decoded.len());
        batch.messages.reserve_exact(decoded.len());
        for (message, (topic, decoded)) in messages.iter().zip(decoded) {
            match decoded {
                Decoded::Event(event) => {
                    batch.events.push(*event);
                    batch.messages.push(message);
                }
                Decoded::Poison(poison) => batch.poison.push((message, topic, poison)),
                Decoded::Unwanted => {}
                Decoded::UnknownType => {
                    metrics::counter!("unknown_events_total", "topic" => topic.name()).increment(1);
                }
            }
        }
        batch
    }

    pub(crate) fn len(&self) -> usize {
        self.events.len() + self.poison.len()
    }

    /// What is logged while the batch is processed belongs to it. It names the event, if there is but one.
    pub(crate) fn span(&self) -> Span {
        match (self.events.as_slice(), self.poison.as_slice()) {
            ([event], []) => {
                let trace = &event.trace;
                tracing::info_span!("event", key = event.event.key(), trace_id = %trace.trace_id)
            }
            _ => Span::none(),
        }
    }

    /// Tells the traces of its events what became of them, since the first attempt.
    pub(crate) fn tell_steps(&self, service: &str, started: Instant, done: &Done) {
        let processed = done.fresh.iter().map(|at| (&self.events[*at], done.letters.contains(at)));
        steps::processed(service, started, processed);
    }

    /// The length as metrics take it.
    pub(crate) fn size(&self) -> f64 {
        as_metric(self.len())
    }

    /// Processes the batch in one transaction; on `Ok` it is committed, and told what became of its events.
    pub(crate) async fn process<H: Handler>(
        &self,
        outbox: &Outbox,
        handler: &H,
        mode: Mode,
        attempts: Attempts,
    ) -> Result<Done, Failed> {
        if self.len() == 0 {
            return Ok(Done::default());
        }
        let mut inner = outbox.pool().begin().await?;
        let ids: Vec<Uuid> = self.events.iter().map(|event| event.id).collect();
        let (now, fresh) = inbox::mark(&mut inner, &ids).await?;
        let mut tx = outbox.tx(inner, now);

        for (message, topic, poison) in &self.poison {
            let failure = Failure {
                errors: poison.errors.clone(),
                attempts: 1,
                first_failed_at: now,
                event_id: poison.event_id,
                event_type: poison.event_type,
                marked_inbox: false,
            };
            dead_letter::keep(&mut tx, message, topic.name(), failure).await?;
        }

        let positions = self.fresh_positions(fresh);
        metrics::counter!("events_deduplicated_total")
            .increment((self.events.len() - positions.len()) as u64);
        let letters = if positions.len() == self.events.len() {
            self.handle(&mut tx, handler, &self.events, &positions, mode, attempts).await?
        } else if positions.is_empty() {
            Vec::new()
        } else {
            let events: Vec<_> = positions.iter().map(|&at| self.events[at].clone()).collect();
            self.handle(&mut tx, handler, &events, &positions, mode, attempts).await?
        };
        tx.commit().await?;
        Ok(Done { fresh: positions, letters })
    }

    /// Where the events are that were not processed before: the first of each id.
    fn fresh_positions(&self, mut fresh: HashSet<Uuid>) -> Vec<usize> {
        (0..self.events.len()).filter(|&at| fresh.remove(&self.events[at].id)).collect()
    }

    /// Returns where the events are that became dead letters.
    async fn handle<H: Handler>(
        &self,
        tx: &mut Tx,
        handler: &H,
        events: &[Received],
        positions: &[usize],
        mode: Mode,
        attempts: Attempts,
    ) -> Result<Vec<usize>, Failed> {
        if mode == Mode::Whole {
            return call(handler, tx, events).await.map(|()| Vec::new());
        }
        let mut letters = Vec::new();
        // Halves are processed left to right, so the order of each key is kept.
        let mut pending = Vec::from([(0, events.len())]);
        while let Some((start, end)) = pending.pop() {
            let mut outcome = attempt(handler, tx, &events[start..end]).await?;
            if let (1, Err(Failed::Handler(HandlerError::Conflict(_)))) = (end - start, &outcome) {
                // Whoever was first has committed by now, so only a record at fault conflicts again.
                outcome = attempt(handler, tx, &events[start..end]).await?;
            }
            let error = match outcome {
                Ok(()) => continue,
                Err(error) if attempts.hold_at_fault(&error) => error,
                Err(error) => return Err(error),
            };
            if end - start > 1 {
                let middle = start + (end - start) / 2;
                pending.push((middle, end));
                pending.push((start, middle));
                continue;
            }
            let at = positions[start];
            let event = &self.events[at];
            let failure = Failure {
                errors: chain(&error),
                attempts: attempts.count,
                first_failed_at: tx.now() - attempts.failing_for(),
                event_id: Some(event.id),
                event_type: Some(event.event.event_type()),
                marked_inbox: true,
            };
            dead_letter::keep(tx, self.messages[at], event.topic.name(), failure).await?;
            letters.push(at);
        }
        Ok(letters)
    }
}

/// A count as metrics take it.
pub(crate) fn as_metric(count: usize) -> f64 {
    u32::try_from(count).unwrap_or(u32::MAX).into()
}

/// Calls the handler under a savepoint; what it did is undone if it fails. The outer error is that of
/// the transaction itself.
pub(crate) async fn attempt<H: Handler>(
    handler: &H,
    tx: &mut Tx,
    events: &[Received],
) -> Result<Result<(), Failed>, Failed> {
    let savepoint = tx.savepoint().await?;
    let outcome = match call(handler, tx, events).await {
        // Fails where the handler passed over a failed statement, or published what cannot be written.
        Ok(()) => tx.release().await.map_err(Failed::from),
        Err(error) => Err(error),
    };
    if outcome.is_err() {
        tx.rollback_to(savepoint).await?;
    }
    Ok(outcome)
}

async fn call<H: Handler>(handler: &H, tx: &mut Tx, events: &[Received]) -> Result<(), Failed> {
    let calling = async { handler.handle(&mut *tx, events).await };
    let outcome = AssertUnwindSafe(calling).catch_unwind().await;
    match outcome {
        Ok(result) => Ok(result?),
        Err(panic) => {
            // Its last statement may still be on its way; only an answering connection is used again.
            tx.ping().await?;
            Err(Failed::Panic(panic_message(panic.as_ref())))
        }
    }
}

fn panic_message(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("no message").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_at_fault_for_what_repeats_and_never_for_what_passes() {
        let cause = || std::io::Error::other("cause").into();
        let after = |conflicts| Attempts { count: 1, failed_since: None, conflicts };
        for conflicts in 0..10 {
            let attempts = after(conflicts);
            assert!(attempts.hold_at_fault(&Failed::Panic(String::new())));
            assert!(attempts.hold_at_fault(&Failed::Handler(HandlerError::Permanent(cause()))));
            assert!(!attempts.hold_at_fault(&Failed::Handler(HandlerError::Transient(cause()))));
            let conflict = Failed::Handler(HandlerError::Conflict(cause()));
            assert_eq!(attempts.hold_at_fault(&conflict), conflicts > MAX_CONFLICTS);
        }
    }

    #[test]
    fn the_text_of_a_panic_is_told() {
        assert_eq!(panic_message(&"static"), "static");
        assert_eq!(panic_message(&"owned".to_owned()), "owned");
        assert_eq!(panic_message(&7), "no message");
    }
}
