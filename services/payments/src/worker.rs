//! Asks the provider what payments wait for, outside any transaction.

use std::time::Duration;

use messaging::{Leased, Outbox, Worklist, in_time};
use tokio::sync::{mpsc, watch};
use tokio::task::{JoinError, JoinSet};
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use crate::call::ask;
use crate::due::Due;
use crate::provider::{Provider, Request};
use crate::recorder::{AT_ONCE, Answered, DATABASE_PAUSE, Recorder};
use crate::store;

/// How long a lease goes on after the last moment of a call, for its answer to be recorded.
pub const SPARE: Duration = Duration::from_secs(2);
/// How often the worker, unless woken, looks for what has become due: repetitions, and what other
/// replicas had no hands for or left behind.
const POLL: Duration = Duration::from_millis(200);

/// Asks the provider what payments that are due wait for, and has its answers recorded.
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

impl Worker {
    /// Works until `shutdown`; then waits for the calls on their way, and until their answers are recorded.
    pub async fn run(self, shutdown: CancellationToken) {
        let (answered, answers) = mpsc::channel(AT_ONCE);
        let (stuck, is_stuck) = watch::channel(false);
        let recorder =
            Recorder { outbox: self.outbox.clone(), due: self.due.clone(), answers, stuck };
        // Beside each other: what is due is asked for while answers are recorded.
        tokio::join!(self.ask(answered, is_stuck, &shutdown), recorder.run(&shutdown));
    }

    async fn ask(
        mut self,
        answered: mpsc::Sender<Answered>,
        mut is_stuck: watch::Receiver<bool>,
        shutdown: &CancellationToken,
    ) {
        let mut calls = JoinSet::new();
        let mut poll = tokio::time::interval(POLL);
        poll.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut maybe_due = true;
        while !shutdown.is_cancelled() {
            // What has answers that wait for the database may be due again by now.
            if maybe_due && !*is_stuck.borrow() {
                match self.claim(&answered, &mut calls).await {
                    Ok(more) => maybe_due = more,
                    Err(error) => {
                        let error = anyhow::Error::new(error);
                        tracing::warn!(
                            error = format!("{error:#}"),
                            "payments wait for the database"
                        );
                        tokio::select! {
                            () = tokio::time::sleep(DATABASE_PAUSE) => {}
                            () = shutdown.cancelled() => {}
                        }
                        continue;
                    }
                }
            }
            let can_claim = !*is_stuck.borrow() && self.worklist.hands.available_permits() > 0;
            tokio::select! {
                // More may be due, and there are hands for it.
                () = std::future::ready(()), if maybe_due && can_claim => {}
                Some(call) = calls.join_next() => ended(call),
                // Answers are recorded, and their hands are free.
                Ok(()) = is_stuck.changed() => {}
                Some(leased) = self.worklist.leased.recv() => {
                    self.call(leased, &answered, &mut calls);
                    while let Some(leased) = self.worklist.leased.try_recv() {
                        self.call(leased, &answered, &mut calls);
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
        loop {
            while let Some(leased) = self.worklist.leased.try_recv() {
                self.call(leased, &answered, &mut calls);
            }
            let Some(call) = calls.join_next().await else { return };
            ended(call);
        }
    }

    /// Claims as much as there is room for, and asks for it; whether more may be due.
    async fn claim(
        &self,
        answered: &mpsc::Sender<Answered>,
        calls: &mut JoinSet<()>,
    ) -> sqlx::Result<bool> {
        let Some(mut free) = self.worklist.free_hands() else { return Ok(true) };
        let room = free.num_permits();
        let claimed = in_time(store::claim(self.outbox.pool(), room, self.worklist.lease)).await?;
        for payment in claimed.payments {
            if let (Some(work), Some(hand)) = (Request::of(&payment), free.split(1)) {
                self.call(Leased { work, hand }, answered, calls);
            }
        }
        Ok(claimed.more)
    }

    /// Makes a call in a task of its own, and hands its answer to the recorder.
    fn call(
        &self,
        Leased { work, hand }: Leased<Request>,
        answered: &mpsc::Sender<Answered>,
        calls: &mut JoinSet<()>,
    ) {
        let asking = ask(self.provider.clone(), work, self.patience);
        let answered = answered.clone();
        calls.spawn(async move {
            // Fails where the recorder has ended: the lease ends, and it is asked for again.
            let _gone = answered.send(Leased { work: asking.await, hand }).await;
        });
    }
}

/// A call that broke off leaves no answer: its lease will end, and it will be made again.
fn ended(call: Result<(), JoinError>) {
    if let Err(error) = call {
        tracing::error!(%error, "a call to the provider broke off");
    }
}
