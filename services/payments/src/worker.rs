//! Asks the provider what payments wait for, outside any transaction.

use std::sync::Arc;
use std::time::Duration;

use messaging::{HandlerError, Leased, Outbox, Worklist, in_time};
use tokio::task::{JoinError, JoinSet};
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use crate::call::ask;
use crate::changes::Happened;
use crate::due::Due;
use crate::provider::{Provider, Request};
use crate::record::record;
use crate::store;

/// How often the worker, unless woken, looks for what has become due: repetitions, and what other
/// replicas had no hands for or left behind.
const POLL: Duration = Duration::from_millis(200);
/// How long it rests when the database fails.
const DATABASE_PAUSE: Duration = Duration::from_millis(500);
/// Asks the provider what payments that are due wait for, and records its answers.
///
/// They come leased from the transactions of this replica, or are claimed, which is a lease as well:
/// should this process end between asking and recording, the payment is due again and asked for under the
/// same idempotency key. No more is leased than can be asked at once, and each call has a task of its own,
/// so that none waits for a slower one while there is room.
pub struct Worker {
    pub outbox: Outbox,
    pub provider: Provider,
    /// How long an answer is waited for.
    pub patience: Duration,
    /// Where what an answer makes due goes.
    pub due: Due,
    /// Where it comes from.
    pub worklist: Worklist<Request>,
}

/// What came of a call.
type Answered = Happened<'static>;

impl Worker {
    /// Works until `shutdown`; then waits for the calls on their way, and records their answers.
    pub async fn run(mut self, shutdown: CancellationToken) {
        let mut calls = JoinSet::new();
        // Those whose transaction failed stay here. Answers that come while one is on its way share
        // the next.
        let mut answers = Vec::new();
        let mut poll = tokio::time::interval(POLL);
        poll.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut maybe_due = true;
        while !shutdown.is_cancelled() {
            if let Err(error) = self.work(&mut answers, &mut calls, &mut maybe_due).await {
                let error = anyhow::Error::new(error);
                tracing::warn!(error = format!("{error:#}"), "payments wait for the database");
                tokio::select! {
                    () = tokio::time::sleep(DATABASE_PAUSE) => {}
                    () = shutdown.cancelled() => {}
                }
                continue;
            }
            let idle_hands = self.worklist.hands.available_permits() > 0;
            tokio::select! {
                // More may be due, and there are hands for it.
                () = std::future::ready(()), if maybe_due && idle_hands => {}
                Some(call) = calls.join_next() => collect(call, &mut calls, &mut answers).await,
                Some(leased) = self.worklist.leased.recv() => {
                    self.call(leased, &mut calls);
                    while let Ok(leased) = self.worklist.leased.try_recv() {
                        self.call(leased, &mut calls);
                    }
                }
                () = self.worklist.woken.notified(), if !maybe_due => maybe_due = true,
                // Also while more may be due: hands may have become free without a word.
                _ = poll.tick() => maybe_due = true,
                () = shutdown.cancelled() => {}
            }
        }
        // From now on what falls due is left to other replicas; what was leased before is asked for.
        self.worklist.hands.close();
        while let Ok(leased) = self.worklist.leased.try_recv() {
            self.call(leased, &mut calls);
        }
        while let Some(call) = calls.join_next().await {
            collect(call, &mut calls, &mut answers).await;
        }
        if let Err(error) = self.record(&mut answers).await {
            let error = anyhow::Error::new(error);
            tracing::warn!(
                error = format!("{error:#}"),
                "answers are lost; they will be asked for again"
            );
        }
    }

    /// Records the answers that are there, then claims as much as there is room for.
    async fn work(
        &self,
        answers: &mut Vec<Answered>,
        calls: &mut JoinSet<Answered>,
        maybe_due: &mut bool,
    ) -> Result<(), HandlerError> {
        self.record(answers).await?;
        let hands = &self.worklist.hands;
        let room = hands.available_permits();
        if !*maybe_due || room == 0 {
            return Ok(());
        }
        let Ok(mut free) =
            Arc::clone(hands).try_acquire_many_owned(u32::try_from(room).unwrap_or(u32::MAX))
        else {
            return Ok(());
        };
        let claimed = in_time(store::claim(self.outbox.pool(), room, self.worklist.lease)).await?;
        *maybe_due = claimed.more;
        for payment in claimed.payments {
            if let (Some(work), Some(hand)) = (Request::of(&payment), free.split(1)) {
                self.call(Leased { work, hand }, calls);
            }
        }
        Ok(())
    }

    /// Makes a call in a task of its own.
    fn call(&self, Leased { work, hand }: Leased<Request>, calls: &mut JoinSet<Answered>) {
        let asking = ask(self.provider.clone(), work, self.patience);
        calls.spawn(async move {
            let answered = asking.await;
            drop(hand);
            answered
        });
    }

    /// Records the answers in one transaction. Those that can never be recorded are given up, so that
    /// the others can be.
    async fn record(&self, answers: &mut Vec<Answered>) -> Result<(), HandlerError> {
        if answers.is_empty() {
            return Ok(());
        }
        match self.record_together(answers.clone()).await {
            Ok(()) => answers.clear(),
            Err(HandlerError::Permanent(_)) => {
                while let Some(answer) = answers.last() {
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

    async fn record_together(&self, answers: Vec<Answered>) -> Result<(), HandlerError> {
        in_time(async {
            let mut tx = self.outbox.begin().await?;
            record(&mut tx, answers, &self.due).await?;
            Ok(tx.commit().await?)
        })
        .await
    }
}

/// Takes in a call that has ended, and all others that have.
async fn collect(
    first: Result<Answered, JoinError>,
    calls: &mut JoinSet<Answered>,
    answers: &mut Vec<Answered>,
) {
    // Calls that are answered at once have ended when it is this task's turn again.
    tokio::task::yield_now().await;
    let mut next = Some(first);
    while let Some(call) = next {
        match call {
            Ok(answer) => answers.push(answer),
            // Its lease will end, and it will be made again.
            Err(error) => tracing::error!(%error, "a call to the provider broke off"),
        }
        next = calls.try_join_next();
    }
}
