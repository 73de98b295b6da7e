//! What is told about a payment.

use contracts::events::{
    Event, PaymentAuthorized, PaymentCaptured, PaymentFailed, PaymentRefunded, PaymentVoided,
};

use super::{Bill, Payment, State};

/// What is told of a payment that has just reached a state, if anything.
pub(super) fn of(payment: &Payment, reached: State) -> Option<Event> {
    // Nothing is asked of the provider before the bill is known.
    let Bill { amount: money, .. } = payment.bill?;
    let (amount, currency) = (money.amount(), money.currency);
    let (order_id, payment_id, at) = (payment.order, payment.id, payment.updated_at);
    let trace_id = payment.trace.trace_id;
    let event = match reached {
        State::Authorized => {
            let authorized_at = Some(at);
            PaymentAuthorized { order_id, amount, currency, payment_id, authorized_at, trace_id }
                .into()
        }
        State::Failed => {
            let reason = payment.failure.clone()?;
            let (payment_id, failed_at) = (Some(payment_id), Some(at));
            PaymentFailed { order_id, reason, payment_id, failed_at, trace_id }.into()
        }
        State::Captured => {
            let captured_at = at;
            PaymentCaptured { order_id, amount, currency, payment_id, captured_at, trace_id }.into()
        }
        State::Voided => {
            let voided_at = at;
            PaymentVoided { order_id, amount, currency, payment_id, voided_at, trace_id }.into()
        }
        State::Refunded => {
            let refunded_at = at;
            PaymentRefunded { order_id, amount, currency, payment_id, refunded_at, trace_id }.into()
        }
        State::Awaiting
        | State::Authorizing
        | State::Capturing
        | State::Voiding
        | State::Refunding
        | State::Cancelled => return None,
    };
    Some(event)
}
