use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, mpsc};

use crate::outbox::Tx;

/// When a lease ends that begins now.
pub fn lease_end(now: DateTime<Utc>, lease: Duration) -> DateTime<Utc> {
    now + TimeDelta::from_std(lease).unwrap_or(TimeDelta::MAX)
}

/// Work on its way from the transaction that makes it due to the worker of this process that does it
/// outside any transaction. Cheap to clone.
///
/// While the worker has hands free, the transaction that makes work due also leases it, and hands it over as
/// it commits: claiming it would be a transaction of its own. What there is no hand for stays due in the
/// database, for whichever replica claims it.
#[derive(Debug)]
pub struct Handover<W> {
    hands: Arc<Semaphore>,
    leased: mpsc::Sender<(Instant, Leased<W>)>,
    woken: Arc<Notify>,
    lease: Duration,
}

/// The worker's end.
#[derive(Debug)]
pub struct Worklist<W> {
    /// Those that are free. Closed, nothing is leased any more.
    pub hands: Arc<Semaphore>,
    /// What was leased for this worker.
    pub leased: HandedOver<W>,
    /// Resolves when work is due that nobody has leased.
    pub woken: Arc<Notify>,
    /// How long leased work is left alone by others.
    pub lease: Duration,
}

/// What was leased for a worker and has not been begun.
#[derive(Debug)]
pub struct HandedOver<W> {
    waiting: mpsc::Receiver<(Instant, Leased<W>)>,
    /// How long it may wait.
    spare: Duration,
}

/// Work to do now, and the hand that is kept free for it until it is done.
#[derive(Debug)]
pub struct Leased<W> {
    /// What is to be done.
    pub work: W,
    /// Given back by dropping it.
    pub hand: OwnedSemaphorePermit,
}

/// Both ends, for a worker that does at most `hands` things at once and is through with each when its
/// `patience` ends. A lease is longer by what is `spare`: so long may work wait until it is begun, and what is left of
/// it is there to record the outcome.
pub fn handover<W>(
    hands: usize,
    patience: Duration,
    spare: Duration,
) -> (Handover<W>, Worklist<W>) {
    // Whatever is in it holds a hand, so it never fills up.
    let (sender, waiting) = mpsc::channel(hands);
    let (hands, woken) = (Arc::new(Semaphore::new(hands)), Arc::new(Notify::new()));
    let lease = patience + spare;
    let handover =
        Handover { hands: Arc::clone(&hands), leased: sender, woken: Arc::clone(&woken), lease };
    (handover, Worklist { hands, leased: HandedOver { waiting, spare }, woken, lease })
}

impl<W> HandedOver<W> {
    /// The next, once there is one; `None` where none can come any more.
    pub async fn recv(&mut self) -> Option<Leased<W>> {
        loop {
            let next = self.waiting.recv().await?;
            if self.may_begin(&next) {
                return Some(next.1);
            }
        }
    }

    /// The next, if there is one.
    pub fn try_recv(&mut self) -> Option<Leased<W>> {
        loop {
            let next = self.waiting.try_recv().ok()?;
            if self.may_begin(&next) {
                return Some(next.1);
            }
        }
    }

    /// What has waited for so long that its lease may end before the work does is left to whoever claims it then.
    fn may_begin(&self, (leased_at, _): &(Instant, Leased<W>)) -> bool {
        leased_at.elapsed() <= self.spare
    }
}

impl<W> Worklist<W> {
    /// All hands that are free now, for the worker to claim work with; `None` where there are none.
    pub fn free_hands(&self) -> Option<OwnedSemaphorePermit> {
        let room = u32::try_from(self.hands.available_permits()).unwrap_or(u32::MAX);
        if room == 0 {
            return None;
        }
        Arc::clone(&self.hands).try_acquire_many_owned(room).ok()
    }
}

impl<W: Send + 'static> Handover<W> {
    /// For a process without a worker: whatever falls due is left to the replicas.
    pub fn elsewhere() -> Self {
        let (handover, worklist) = handover(1, Duration::ZERO, Duration::ZERO);
        worklist.hands.close();
        handover
    }

    /// A hand of the worker, if one is free.
    pub fn hand(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.hands).try_acquire_owned().ok()
    }

    /// How long work is to be leased for.
    pub fn lease(&self) -> Duration {
        self.lease
    }

    /// Hands leased work over once `tx` is committed. It was leased just now.
    pub fn after_commit(&self, tx: &mut Tx, leased: Vec<Leased<W>>) {
        if leased.is_empty() {
            return;
        }
        let (sender, leased_at) = (self.leased.clone(), Instant::now());
        tx.after_commit(move || {
            for work in leased {
                // Fails where the worker has ended: the lease ends, and another replica claims the work.
                if sender.try_send((leased_at, work)).is_err() {
                    return;
                }
            }
        });
    }

    /// Wakes the worker once `tx` is committed, for work that is due and not leased.
    pub fn wake_after_commit(&self, tx: &mut Tx) {
        let woken = Arc::clone(&self.woken);
        tx.after_commit(move || woken.notify_one());
    }
}

impl<W> Clone for Handover<W> {
    fn clone(&self) -> Self {
        Self {
            hands: Arc::clone(&self.hands),
            leased: self.leased.clone(),
            woken: Arc::clone(&self.woken),
            lease: self.lease,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn work_whose_lease_may_end_before_it_does_is_not_begun() {
        let spare = Duration::from_mins(1);
        let (handover, mut worklist) = handover(3, Duration::from_secs(1), spare);
        let now = Instant::now();
        let long_ago = now.checked_sub(2 * spare).unwrap();
        for (leased_at, work) in [(long_ago, "late"), (now, "in time"), (long_ago, "late as well")]
        {
            let hand = handover.hand().unwrap();
            handover.leased.try_send((leased_at, Leased { work, hand })).unwrap();
        }
        assert_eq!(worklist.leased.recv().await.map(|leased| leased.work), Some("in time"));
        assert!(worklist.leased.try_recv().is_none());
        assert_eq!(worklist.hands.available_permits(), 3, "hands of what is left alone are free");
    }
}
