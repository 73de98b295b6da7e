//! The payment of one order, and what facts and answers make of it. Pure.

mod news;
mod state;

use chrono::{DateTime, TimeDelta, Utc};
use contracts::events::{Event, PaymentFailureReason};
use contracts::ids::{CustomerId, OrderId, PaymentId};
use contracts::money::Money;
use contracts::trace::TraceContext;

pub use self::state::{Operation, State};
use crate::cause::{Answer, Cause, OrderEnd};

/// What is known of an order's payment, and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payment {
    /// Its id.
    pub id: PaymentId,
    /// The order it is for; an order has one payment.
    pub order: OrderId,
    /// Who pays how much; `None` until the order itself is heard of.
    pub bill: Option<Bill>,
    /// The token of what is paid with, as the provider knows it. Never logged.
    pub method: Option<String>,
    /// Whether the order's stock is set aside.
    pub reserved: bool,
    /// How the order ended, if it has.
    pub order_end: Option<OrderEnd>,
    /// Where the payment stands.
    pub state: State,
    /// When the provider is to be asked next: there in the states that wait for its answer, and only
    /// there. While it is being asked, the end of the lease.
    pub due_at: Option<DateTime<Utc>>,
    /// How often the provider was asked for the latest operation.
    pub attempt: u32,
    /// The provider's name for the authorisation.
    pub reference: Option<String>,
    /// Why it failed, if it has.
    pub failure: Option<PaymentFailureReason>,
    /// The trace of what changed it last.
    pub trace: TraceContext,
    /// 0 before anything is stored, one more with every change.
    pub version: i64,
    /// When the order was first heard of.
    pub created_at: DateTime<Utc>,
    /// When it changed last. Never runs backwards.
    pub updated_at: DateTime<Utc>,
}

/// What is to be paid by whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bill {
    /// Whose order it is.
    pub customer: CustomerId,
    /// What it costs in all.
    pub amount: Money,
}

/// What a cause changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// The payment from now on.
    pub payment: Payment,
    /// What is told about it.
    pub event: Option<Event>,
}

/// Why an order is not paid on demand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// The order has ended, or the money for it is on its way back.
    OrderEnded,
    /// The money is set aside or taken.
    AlreadyPaid,
    /// The provider is being asked with another method.
    InProgress,
    /// The provider has refused it for good.
    Failed,
}

/// Decides what a cause does to a payment: `None` if nothing, as with every repeat and whatever comes
/// too late to matter.
pub fn decide(
    payment: &Payment,
    cause: Cause,
    trace: TraceContext,
    now: DateTime<Utc>,
) -> Option<Decision> {
    let mut after = payment.clone();
    let happened = after.take_in(cause, now);
    after.go_on();
    if after.state != payment.state && after.state.operation().is_some() {
        (after.due_at, after.attempt) = (Some(now), 0);
    } else if after.state.operation().is_none() {
        after.due_at = None;
    }
    if after == *payment {
        return None;
    }
    after.version += 1;
    // A transaction that waited for the payment may have begun before the one it waited for.
    after.updated_at = now.max(payment.updated_at);
    after.trace = trace;
    let event = happened.and_then(|reached| news::of(&after, reached));
    Some(Decision { payment: after, event })
}

/// Decides about the wish to pay with `method`: `None` if it was there already.
pub fn pay(
    payment: &Payment,
    method: &str,
    trace: TraceContext,
    now: DateTime<Utc>,
) -> Result<Option<Decision>, Refusal> {
    match payment.state {
        State::Awaiting => Ok(decide(payment, Cause::MethodChosen(method), trace, now)),
        State::Authorizing if payment.order_end.is_some_and(OrderEnd::gives_up) => {
            Err(Refusal::OrderEnded)
        }
        State::Authorizing if payment.method.as_deref() == Some(method) => Ok(None),
        State::Authorizing => Err(Refusal::InProgress),
        State::Authorized | State::Capturing | State::Captured => Err(Refusal::AlreadyPaid),
        State::Failed => Err(Refusal::Failed),
        State::Voiding | State::Voided | State::Refunding | State::Refunded | State::Cancelled => {
            Err(Refusal::OrderEnded)
        }
    }
}

impl Payment {
    /// The payment of an order of which nothing is known yet.
    pub fn new(id: PaymentId, order: OrderId, trace: TraceContext, now: DateTime<Utc>) -> Self {
        Self {
            id,
            order,
            bill: None,
            method: None,
            reserved: false,
            order_end: None,
            state: State::Awaiting,
            due_at: None,
            attempt: 0,
            reference: None,
            failure: None,
            trace,
            version: 0,
            created_at: now,
            updated_at: now,
        }
    }

    /// Notes what happened. Returns the state it has reached by it if that is to be told.
    fn take_in(&mut self, cause: Cause, now: DateTime<Utc>) -> Option<State> {
        match cause {
            Cause::OrderPlaced { bill, method } => {
                if self.bill.is_none() {
                    self.bill = Some(bill);
                    self.method = method.map(str::to_owned);
                }
                None
            }
            Cause::MethodChosen(method) => {
                if self.state == State::Awaiting {
                    self.method = Some(method.to_owned());
                }
                None
            }
            Cause::StockReserved => {
                self.reserved |= self.state == State::Awaiting;
                None
            }
            Cause::OrderEnded(end) => {
                // The judge ends an order once. Should there be two ends all the same, giving the
                // money back is the smaller harm.
                if self.order_end.is_none_or(|known| !known.gives_up() && end.gives_up()) {
                    self.order_end = Some(end);
                }
                None
            }
            Cause::Answered(answer) => self.take_answer(answer),
            Cause::Unanswered(operation) => {
                if self.state.operation() == Some(operation) {
                    self.due_at = Some(now + self.pause());
                }
                None
            }
        }
    }

    fn take_answer(&mut self, answer: Answer) -> Option<State> {
        let given_up = self.order_end.is_some_and(OrderEnd::gives_up);
        let reached = match (self.state, answer) {
            (State::Authorizing, Answer::Authorized { reference }) => {
                self.reference = Some(reference);
                State::Authorized
            }
            (State::Authorizing, Answer::Declined(reason)) => {
                self.failure = Some(reason);
                State::Failed
            }
            (State::Capturing, Answer::Captured) => State::Captured,
            (State::Voiding, Answer::Cancelled) => State::Voided,
            (State::Refunding, Answer::Refunded) => State::Refunded,
            // Of a call that was repeated after all.
            _ => return None,
        };
        self.state = reached;
        // Nobody waits for the money of an order that was given up meanwhile.
        (reached != State::Authorized || !given_up).then_some(reached)
    }

    /// Goes on to what the facts ask for next.
    fn go_on(&mut self) {
        let payable = self.reserved && self.bill.is_some() && self.method.is_some();
        self.state = match (self.state, self.order_end) {
            (State::Awaiting, Some(_)) => State::Cancelled,
            (State::Awaiting, None) if payable => State::Authorizing,
            (State::Authorized, Some(end)) if end.gives_up() => State::Voiding,
            (State::Authorized, Some(_)) => State::Capturing,
            (State::Captured, Some(end)) if end.gives_up() => State::Refunding,
            (state, _) => state,
        };
    }

    /// The time before the provider is asked again: doubling from 200 ms to a minute, of which up to
    /// half is left out by payment, so that those that failed together do not come back together.
    fn pause(&self) -> TimeDelta {
        let full = 200_i64.saturating_mul(1 << self.attempt.saturating_sub(1).min(9)).min(60_000);
        let share = i64::from(self.id.as_uuid().as_bytes()[15]);
        TimeDelta::milliseconds(full - full / 2 * share / 256)
    }
}

#[cfg(test)]
mod tests;
