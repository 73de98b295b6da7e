//! Payments on their way from the transaction that made them due to the worker that asks the provider.

use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use messaging::Tx;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, mpsc};

use crate::changes::Change;
use crate::provider::Request;

/// How long a lease goes on after the last moment of a call, for its answer to be recorded.
const LEASE_MARGIN: Duration = Duration::from_secs(2);

/// Where payments that are due go. Cheap to clone.
///
/// While this replica has hands free, the transaction that makes a payment due also leases it, and hands
/// the request over as it commits: claiming it would be a transaction of its own. Otherwise the payment
/// stays due in the database for whoever claims it.
#[derive(Debug, Clone)]
pub struct Due {
    hands: Arc<Semaphore>,
    leased: mpsc::Sender<Leased>,
    woken: Arc<Notify>,
    /// How long a payment that is asked for is left alone by others.
    lease: Duration,
}

/// The worker's end.
#[derive(Debug)]
pub struct Queue {
    pub hands: Arc<Semaphore>,
    pub leased: mpsc::Receiver<Leased>,
    /// Resolves when payments are due that nobody has leased.
    pub woken: Arc<Notify>,
    pub lease: Duration,
}

/// A request to make now, and the hand that is kept free for it until it is answered.
#[derive(Debug)]
pub struct Leased {
    pub request: Request,
    pub hand: OwnedSemaphorePermit,
}

/// Both ends, for a worker that makes at most `concurrency` calls at once and waits for each answer as
/// long as its `patience` lasts.
pub fn due(concurrency: usize, patience: Duration) -> (Due, Queue) {
    let hands = Arc::new(Semaphore::new(concurrency));
    // Each of them holds a hand, so it never fills up.
    let (sender, leased) = mpsc::channel(concurrency);
    let (woken, lease) = (Arc::new(Notify::new()), patience + LEASE_MARGIN);
    let due = Due { hands: hands.clone(), leased: sender, woken: woken.clone(), lease };
    (due, Queue { hands, leased, woken, lease })
}

impl Due {
    /// For a process without a worker: all that falls due is left to the replicas.
    pub fn elsewhere() -> Self {
        let (due, Queue { hands, .. }) = due(1, Duration::ZERO);
        hands.close();
        due
    }

    /// Leases those of the changed payments that are due, as far as there are hands. To be called before
    /// they are stored in `tx`; the worker hears of them once it is committed.
    pub fn lease(&self, tx: &mut Tx, changes: &mut [Change]) {
        let (now, leased_at) = (tx.now() + tx.age(), Instant::now());
        let is_due = |change: &&mut Change| change.payment.due_at.is_some_and(|at| at <= now);
        let mut requests = Vec::new();
        let mut left = false;
        for change in changes.iter_mut().filter(is_due) {
            match Arc::clone(&self.hands).try_acquire_owned() {
                Ok(hand) => requests
                    .extend(self.request(change, now).map(|request| Leased { request, hand })),
                Err(_taken) => left = true,
            }
        }
        let due = self.clone();
        if left {
            let woken = Arc::clone(&due.woken);
            tx.after_commit(move || woken.notify_one());
        }
        if !requests.is_empty() {
            tx.after_commit(move || due.hand_over(requests, leased_at));
        }
    }

    /// Leases a payment from `now` on, and returns the request to make for it.
    fn request(&self, change: &mut Change, now: DateTime<Utc>) -> Option<Request> {
        let payment = &mut change.payment;
        payment.attempt = payment.attempt.saturating_add(1);
        payment.due_at = Some(now + TimeDelta::from_std(self.lease).unwrap_or(TimeDelta::MAX));
        Request::of(payment)
    }

    fn hand_over(&self, requests: Vec<Leased>, leased_at: Instant) {
        if leased_at.elapsed() > LEASE_MARGIN {
            // The commit took so long that the lease may end before an answer: whoever claims them then asks.
            return;
        }
        for request in requests {
            // Fails where the worker has ended: the lease ends, and another replica claims the payment.
            if self.leased.try_send(request).is_err() {
                return;
            }
        }
    }
}
