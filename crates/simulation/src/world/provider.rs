//! Calls of payments to its provider, on their way.

use ::orders::order::State;
use ::payments::cause::{Answer, Cause};
use ::payments::payment::Operation;
use ::payments::provider::{Action, Request};
use ::payments::sandbox;
use contracts::ids::OrderId;

use super::World;
use super::delivery::told;
use crate::faults::{Fault, Step};
use crate::services::{Service, Tx};

/// Something between payments and its provider.
#[derive(Debug)]
pub(super) enum Call {
    /// Somebody waits for the answer.
    Awaited(Request),
    /// Nobody does any more.
    Abandoned(Request),
    /// The provider tells by itself what it has answered before.
    Told(OrderId, Answer),
}

impl Call {
    /// Whoever waited for it has died.
    pub(super) fn forget(&mut self) {
        if let Self::Awaited(request) = self {
            *self = Self::Abandoned(request.clone());
        }
    }

    pub(super) fn order(&self) -> OrderId {
        match self {
            Self::Awaited(request) | Self::Abandoned(request) => request.order,
            Self::Told(order, _) => *order,
        }
    }

    /// Whether somebody waits for an answer about this order.
    pub(super) fn is_for(&self, order: OrderId) -> bool {
        matches!(self, Self::Awaited(request) if request.order == order)
    }
}

impl World<'_> {
    /// payments claims what is due, and calls.
    pub(super) fn ask(&mut self, order: OrderId) -> Result<(), String> {
        let payment = self.states.payments.payments.get(&order);
        let Some(due_at) = payment.and_then(|payment| payment.due_at) else { return Ok(()) };
        self.wait_until(Service::Payments, due_at);
        let tx = Tx::new(self.now(Service::Payments), &mut self.ids);
        let request = self.states.payments.claim(order, &tx);
        let request = request.ok_or("a payment is due, and there is nothing to ask")?;
        self.note(|_| {
            format!("the provider is called: {:?}, attempt {}", request.action, request.attempt)
        });
        self.calls.push(Call::Awaited(request));
        Ok(())
    }

    /// A call reaches the provider, or the provider's word reaches payments.
    pub(super) fn answer(&mut self, call: usize) -> Result<(), String> {
        let request = match self.calls.remove(call) {
            Call::Awaited(request) => request,
            Call::Abandoned(request) => {
                self.note(|_| format!("the provider is reached late: {:?}", request.action));
                return self.bank(&request).map(|_| ());
            }
            Call::Told(order, answer) => {
                self.note(|_| format!("the provider tells again: {answer:?}"));
                return self.take_in(order, Cause::Answered(answer), None);
            }
        };
        let (order, operation) = (request.order, request.action.operation());
        let mut fault = self.fault(Step::Provider(operation));
        if fault.is_none() && times_out(&request) {
            fault = Some(Fault::AnswerLost);
        }
        self.note(|_| format!("the provider takes the call: {operation:?}{}", told(fault)));
        if fault == Some(Fault::RequestLate) {
            self.calls.push(Call::Abandoned(request));
            return self.take_in(order, Cause::Unanswered(operation), None);
        }
        let answer = self.bank(&request)?;
        match fault {
            Some(Fault::AnswerLost) => self.take_in(order, Cause::Unanswered(operation), None),
            Some(Fault::AnsweredTwice) => {
                self.calls.push(Call::Told(order, answer.clone()));
                self.take_in(order, Cause::Answered(answer), None)
            }
            _ => self.take_in(order, Cause::Answered(answer), fault),
        }
    }

    fn bank(&mut self, request: &Request) -> Result<Answer, String> {
        let order = self.states.orders.orders.get(&request.order);
        let completed = order.is_some_and(|placed| placed.order.state == State::Completed);
        if request.action.operation() == Operation::Capture && !completed {
            return Err("captured without a completed order".to_owned());
        }
        self.bank.ask(request)
    }

    fn take_in(
        &mut self,
        order: OrderId,
        cause: Cause,
        fault: Option<Fault>,
    ) -> Result<(), String> {
        self.transact(Service::Payments, fault, |states, tx| {
            states.payments.answered(order, cause, tx);
            Ok(())
        })?;
        Ok(())
    }
}

/// Whether the card is the one whose first answer is lost.
fn times_out(request: &Request) -> bool {
    let card = match &request.action {
        Action::Authorize { method } => method,
        Action::Capture { reference }
        | Action::Cancel { reference }
        | Action::Refund { reference } => reference,
    };
    request.attempt <= 1 && card.starts_with(sandbox::TIMEOUT)
}
