//! Leases payments that a transaction makes due to the worker of this replica.

use chrono::{DateTime, Utc};
use messaging::{Handover, Leased, Tx, lease_end};

use crate::changes::Change;
use crate::provider::Request;

/// Where payments that are due go.
pub type Due = Handover<Request>;

/// Leases those of the changed payments that are due, as far as there are hands. To be called before they
/// are stored in `tx`; the worker hears of them once it is committed.
pub fn lease(due: &Due, tx: &mut Tx, changes: &mut [Change]) {
    let now = tx.now() + tx.age();
    let is_due = |change: &&mut Change| change.payment.due_at.is_some_and(|at| at <= now);
    let until = lease_end(now, due.lease());
    let mut requests = Vec::new();
    let mut left = false;
    for change in changes.iter_mut().filter(is_due) {
        match due.hand() {
            Some(hand) => requests.extend(request(change, until).map(|work| Leased { work, hand })),
            None => left = true,
        }
    }
    if left {
        due.wake_after_commit(tx);
    }
    due.after_commit(tx, requests);
}

/// Leases a payment, and returns the request to make for it.
fn request(change: &mut Change, until: DateTime<Utc>) -> Option<Request> {
    let payment = &mut change.payment;
    payment.attempt = payment.attempt.saturating_add(1);
    payment.due_at = Some(until);
    Request::of(payment)
}
