//! What an operator can do with dead letters.

use uuid::Uuid;

use super::kept::{self, DeadLetter, Fate, Filter, State, Summary};
use crate::outbox::Outbox;

/// The dead letters of a service, for an operator. Works while the service runs and without Kafka; several
/// operators do each other no harm.
#[derive(Debug, Clone)]
pub struct DeadLetters {
    pub(super) outbox: Outbox,
}

/// What became of the wish to discard a dead letter.
#[derive(Debug, Clone)]
pub enum Discarded {
    /// It is given up from now on.
    Done,
    /// It was not open any more.
    Closed(Fate),
    /// There is none of that id.
    Unknown,
}

impl DeadLetters {
    /// Those of the service whose outbox it is.
    pub fn new(outbox: Outbox) -> Self {
        Self { outbox }
    }

    /// The oldest ones that match, behind the one of the id `after`.
    pub async fn list(
        &self,
        filter: &Filter,
        after: Option<Uuid>,
        limit: i64,
    ) -> sqlx::Result<Vec<Summary>> {
        kept::list(self.outbox.pool(), filter, after, limit).await
    }

    /// One of them, whole.
    pub async fn find(&self, id: Uuid) -> sqlx::Result<Option<DeadLetter>> {
        kept::find(&mut *self.outbox.pool().acquire().await?, id).await
    }

    /// Gives one up. Its row stays, with who did it, when and why.
    pub async fn discard(&self, id: Uuid, by: &str, reason: &str) -> sqlx::Result<Discarded> {
        let mut tx = self.outbox.begin().await?;
        let Some(letter) = kept::lock(tx.conn(), id, None).await?.pop() else {
            return Ok(Discarded::Unknown);
        };
        if letter.fate.state() != State::Open {
            return Ok(Discarded::Closed(letter.fate));
        }
        sqlx::query(
            "UPDATE dead_letters SET discarded_at = now(), discard_reason = $2, closed_by = $3
             WHERE id = $1",
        )
        .bind(id)
        .bind(reason)
        .bind(by)
        .execute(tx.conn())
        .await?;
        tx.commit().await?;
        Ok(Discarded::Done)
    }
}
