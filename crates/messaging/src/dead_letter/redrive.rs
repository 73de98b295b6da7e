//! A dead letter goes through its service's own handler once more.
//!
//! Whether its event was processed is told by two things together. The inbox has the id of an event that
//! was processed, but also that of one the handler failed on: such a dead letter says so (`marked_inbox`),
//! and its duplicates are passed over, so that it alone stands for the event. Hence an event was processed
//! if the inbox has its id and no dead letter that is not redriven put it there.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::{
    desk::DeadLetters,
    kept::{self, DeadLetter, Locked},
    storable,
};
use crate::{
    backoff::Backoff,
    batch::{self, Attempts, Failed},
    consumer::Handler,
    error::{HandlerError, chain},
    inbox,
    outbox::Tx,
    record::Decoded,
};

/// What became of the wish to redrive a dead letter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Redriven {
    /// The handler has processed its event.
    Processed,
    /// Its event was processed already, from another record; the dead letter is closed.
    AlreadyProcessed,
    /// Somebody has redriven it before.
    AlreadyRedriven {
        /// When.
        at: DateTime<Utc>,
    },
    /// Somebody has discarded it before: it stays as it is.
    Discarded {
        /// When.
        at: DateTime<Utc>,
    },
    /// It failed again, and is kept with the new error, given outermost first.
    Failed(Vec<String>),
    /// There is none of that id.
    Unknown,
}

/// Nothing was changed, because the database is away, or somebody is always faster.
#[derive(Debug, thiserror::Error)]
#[error("tried {TRIES} times in vain")]
pub struct Unavailable(#[source] Failed);

/// How often what may pass by itself is tried: some ten seconds.
const TRIES: i32 = 8;

impl DeadLetters {
    /// Hands the event to `handler`, in one transaction with the note that it was redriven. `by` is who
    /// wants it.
    pub async fn redrive<H: Handler>(
        &self,
        handler: &H,
        id: Uuid,
        by: &str,
    ) -> Result<Redriven, Unavailable> {
        let mut backoff = Backoff::default();
        let mut attempts = Attempts { count: 1, failed_since: None, conflicts: 0 };
        loop {
            let error = match self.attempt(handler, id, by, attempts).await {
                Ok(outcome) => return Ok(outcome),
                Err(error) => error,
            };
            if attempts.count == TRIES {
                return Err(Unavailable(error));
            }
            attempts.count += 1;
            if let Failed::Handler(HandlerError::Conflict(_)) = error {
                attempts.conflicts += 1;
            }
            tracing::debug!(dead_letter_id = %id, errors = ?chain(&error), "trying again");
            tokio::time::sleep(backoff.next()).await;
        }
    }

    async fn attempt<H: Handler>(
        &self,
        handler: &H,
        id: Uuid,
        by: &str,
        attempts: Attempts,
    ) -> Result<Redriven, Failed> {
        let mut tx = self.outbox.begin().await?;
        // What is read here never changes; what may is read again under the lock.
        let Some(letter) = kept::find(tx.conn(), id).await? else {
            return Ok(Redriven::Unknown);
        };
        let decoded = letter.decode(H::HANDLES);
        let event_id = match &decoded {
            Decoded::Event(event) => Some(event.id),
            _ => None,
        };
        let letters = kept::lock(tx.conn(), id, event_id).await?;
        let fate = letters.iter().find(|letter| letter.id == id).map(|letter| &letter.fate);
        if let Some(at) = fate.and_then(|fate| fate.redriven_at) {
            return Ok(Redriven::AlreadyRedriven { at });
        }
        if let Some(at) = fate.and_then(|fate| fate.discarded_at) {
            return Ok(Redriven::Discarded { at });
        }
        let event = match decoded {
            Decoded::Event(event) => *event,
            refused => return fail(tx, id, attempts, reasons(refused, &letter)).await,
        };

        let savepoint = tx.savepoint().await?;
        let (_, fresh) = inbox::mark(tx.conn(), &[event.id]).await?;
        let processed = fresh.is_empty() && !letters.iter().any(Locked::stands_for_its_event);
        if !processed {
            let outcome = batch::attempt(handler, &mut tx, std::slice::from_ref(&event)).await?;
            match outcome {
                Ok(()) => {}
                Err(error) if attempts.hold_at_fault(&error) => {
                    // Its id leaves the inbox again, if it was not there.
                    tx.rollback_to(savepoint).await?;
                    return fail(tx, id, attempts, chain(&error)).await;
                }
                Err(error) => return Err(error),
            }
        }
        tx.release().await?;
        close(&mut tx, &letters, by).await?;
        tx.commit().await?;
        Ok(if processed { Redriven::AlreadyProcessed } else { Redriven::Processed })
    }
}

/// Why a record that was read is no event for the handler.
fn reasons(refused: Decoded, letter: &DeadLetter) -> Vec<String> {
    let event_type = letter.summary.event_type.as_deref();
    match refused {
        Decoded::Poison(poison) => poison.errors,
        Decoded::UnknownType => vec!["this version knows no such type of event".to_owned()],
        Decoded::Unwanted | Decoded::Event(_) => {
            vec![format!("this version handles no {}", event_type.unwrap_or("such event"))]
        }
    }
}

async fn fail(
    mut tx: Tx,
    id: Uuid,
    attempts: Attempts,
    errors: Vec<String>,
) -> Result<Redriven, Failed> {
    let errors = storable(errors);
    sqlx::query(
        "UPDATE dead_letters SET errors = $2, attempts = attempts + $3, last_failed_at = now()
         WHERE id = $1",
    )
    .bind(id)
    .bind(&errors)
    .bind(attempts.count)
    .execute(tx.conn())
    .await?;
    tx.commit().await?;
    Ok(Redriven::Failed(errors))
}

/// Closes all open ones of the event: it is processed, from whichever record.
async fn close(tx: &mut Tx, letters: &[Locked], by: &str) -> sqlx::Result<()> {
    let ids: Vec<Uuid> = letters.iter().map(|letter| letter.id).collect();
    sqlx::query(
        "UPDATE dead_letters SET redriven_at = now(), closed_by = $2
         WHERE id = ANY($1) AND redriven_at IS NULL AND discarded_at IS NULL",
    )
    .bind(ids)
    .bind(by)
    .execute(tx.conn())
    .await?;
    Ok(())
}
