//! Records what the provider has answered.

use std::time::Duration;

use messaging::{HandlerError, Leased, Outbox, in_time};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use crate::changes::Happened;
use crate::due::Due;
use crate::record::record;

/// Answers that are recorded in one transaction at the most; so many may wait beside them.
pub const AT_ONCE: usize = 500;
/// Turns of the other tasks in which further answers are waited for.
const TURNS: usize = 4;
/// How long it rests when the database fails.
pub const DATABASE_PAUSE: Duration = Duration::from_millis(500);

/// What came of a call. Its hand is free again once it is recorded: what is asked for and what is answered is bounded
/// together.
pub type Answered = Leased<Happened<'static>>;

/// Records answers, many in one transaction: those that come while one is on its way share the next.
pub struct Recorder {
    pub outbox: Outbox,
    /// Where what an answer makes due goes.
    pub due: Due,
    /// Where they come from.
    pub answers: mpsc::Receiver<Answered>,
    /// Told after each transaction: whether the database fails.
    pub stuck: watch::Sender<bool>,
}

impl Recorder {
    /// Records until no more can come; if the database fails after `shutdown`, what is left is given up, and will be
    /// asked for again.
    pub async fn run(mut self, shutdown: &CancellationToken) {
        // Those whose transaction failed stay here.
        let mut answers = Vec::new();
        loop {
            if answers.is_empty() && self.answers.recv_many(&mut answers, AT_ONCE).await == 0 {
                return;
            }
            self.gather(&mut answers).await;
            let Err(error) = self.record(&mut answers).await else {
                self.stuck.send_replace(false);
                continue;
            };
            self.stuck.send_replace(true);
            let error = anyhow::Error::new(error);
            if shutdown.is_cancelled() {
                let mut lost = answers.len();
                // Taken still, or the calls that are on their way would wait for room.
                while self.answers.recv().await.is_some() {
                    lost += 1;
                }
                tracing::warn!(
                    error = format!("{error:#}"),
                    lost,
                    "answers are lost; they will be asked for again"
                );
                return;
            }
            tracing::warn!(
                error = format!("{error:#}"),
                answers = answers.len(),
                "answers of the provider wait for the database"
            );
            tokio::select! {
                () = tokio::time::sleep(DATABASE_PAUSE) => {}
                () = shutdown.cancelled() => {}
            }
        }
    }

    /// Takes what else is there, and what the other tasks' next turns bring: of calls that are made together, those
    /// that are answered at once end together.
    async fn gather(&mut self, answers: &mut Vec<Answered>) {
        for _ in 0..TURNS {
            tokio::task::yield_now().await;
            let before = answers.len();
            take_waiting(&mut self.answers, answers);
            if answers.len() == before {
                return;
            }
        }
    }

    /// Records the answers in one transaction. Those that can never be recorded are given up, so that
    /// the others can be.
    async fn record(&self, answers: &mut Vec<Answered>) -> Result<(), HandlerError> {
        let all = answers.iter().map(|answered| answered.work.clone()).collect();
        match self.record_together(all).await {
            Ok(()) => answers.clear(),
            Err(HandlerError::Permanent(_)) => {
                while let Some(Leased { work: answer, .. }) = answers.last() {
                    let order = answer.order;
                    match self.record_together(vec![answer.clone()]).await {
                        Err(HandlerError::Permanent(cause)) => {
                            let error = anyhow::Error::from_boxed(cause);
                            tracing::error!(%order, error = format!("{error:#}"), "an answer of the provider cannot be recorded");
                        }
                        other => other?,
                    }
                    answers.pop();
                }
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }

    async fn record_together(&self, answers: Vec<Happened<'static>>) -> Result<(), HandlerError> {
        in_time(async {
            let mut tx = self.outbox.begin().await?;
            record(&mut tx, answers, &self.due).await?;
            Ok(tx.commit().await?)
        })
        .await
    }
}

/// Takes those that wait, as far as there is room.
fn take_waiting(waiting: &mut mpsc::Receiver<Answered>, taken: &mut Vec<Answered>) {
    while taken.len() < AT_ONCE {
        let Ok(answer) = waiting.try_recv() else { return };
        taken.push(answer);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use contracts::ids::OrderId;
    use sqlx::postgres::PgPoolOptions;
    use tokio::sync::Semaphore;
    use uuid::Uuid;

    use super::*;
    use crate::cause::Cause;
    use crate::payment::Operation;

    fn answer(order: usize) -> Answered {
        let order = OrderId::from_uuid(Uuid::from_u128(order as u128));
        let work = Happened { order, cause: Cause::Unanswered(Operation::Authorize), trace: None };
        let hand = Arc::new(Semaphore::new(1)).try_acquire_owned().unwrap();
        Leased { work, hand }
    }

    #[test]
    fn what_there_is_no_room_for_waits() {
        let (sender, mut waiting) = mpsc::channel(AT_ONCE + 1);
        for order in 0..=AT_ONCE {
            assert!(sender.try_send(answer(order)).is_ok());
        }
        let mut taken = Vec::new();
        take_waiting(&mut waiting, &mut taken);
        assert_eq!(taken.len(), AT_ONCE);
        take_waiting(&mut waiting, &mut taken);
        taken.clear();
        take_waiting(&mut waiting, &mut taken);
        assert_eq!(taken.len(), 1);
    }

    #[tokio::test]
    async fn calls_that_end_after_the_shutdown_do_not_wait_for_a_database_that_is_away() {
        let pool = PgPoolOptions::new().acquire_timeout(Duration::from_millis(100));
        let pool = pool.connect_lazy("postgres://nobody@127.0.0.1:1/none").unwrap();
        let (sender, answers) = mpsc::channel(AT_ONCE);
        let outbox = Outbox::new(pool, "payments");
        let (stuck, is_stuck) = watch::channel(false);
        let recorder = Recorder { outbox, due: Due::elsewhere(), answers, stuck };
        let shutdown = CancellationToken::new();
        shutdown.cancel();
        let calls = async move {
            for order in 0..3 * AT_ONCE {
                assert!(sender.send(answer(order)).await.is_ok());
            }
        };
        let ending = async { tokio::join!(recorder.run(&shutdown), calls) };
        tokio::time::timeout(Duration::from_mins(1), ending).await.unwrap();
        assert!(*is_stuck.borrow());
    }
}
