//! A provider without money, whose payment methods name their outcome.
//!
//! It remembers nothing: what it answers follows from the request alone, which stands for a provider
//! that keeps its answers by idempotency key. So it also answers the same after a restart, and to
//! whichever replica asks.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use contracts::events::PaymentFailureReason;

use crate::cause::Answer;
use crate::provider::{Action, Request};

/// Pays.
pub const OK: &str = "pm_card_ok";
/// Is declined.
pub const DECLINED: &str = "pm_card_declined";
/// Pays; whatever is asked takes its time.
pub const SLOW: &str = "pm_card_slow";
/// Pays; whatever is asked is done at once, but the first answer is lost on the way.
pub const TIMEOUT: &str = "pm_card_timeout";

/// The built-in provider.
#[derive(Debug, Clone)]
pub struct Sandbox {
    /// How long the slow card takes.
    pub slow: Duration,
    /// Where it notes what it was asked, if anybody wants to know.
    pub ledger: Option<Ledger>,
}

/// All that a sandbox was asked, as tests look into it: it outlives the process that asked. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Ledger(Arc<Mutex<Vec<Request>>>);

impl Ledger {
    /// Every request so far, in the order they came in.
    pub fn requests(&self) -> Vec<Request> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn note(&self, request: &Request) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(request.clone());
    }
}

impl Sandbox {
    /// Whether this is one of its methods.
    pub fn knows(method: &str) -> bool {
        [OK, DECLINED, SLOW, TIMEOUT].contains(&method)
    }

    /// Answers as the payment method says, after the time it takes.
    pub async fn ask(&self, request: &Request) -> Answer {
        if let Some(ledger) = &self.ledger {
            ledger.note(request);
        }
        let method = match &request.action {
            Action::Authorize { method } => method,
            Action::Capture { reference }
            | Action::Cancel { reference }
            | Action::Refund { reference } => method_of(reference),
        };
        if request.attempt <= 1 {
            match method {
                SLOW => tokio::time::sleep(self.slow).await,
                TIMEOUT => std::future::pending().await,
                _ => {}
            }
        }
        answer(request)
    }
}

/// The answer to a request. One that is repeated finds the thing done.
pub fn answer(request: &Request) -> Answer {
    match &request.action {
        Action::Authorize { method } if method == DECLINED => {
            Answer::Declined(PaymentFailureReason::CardDeclined)
        }
        Action::Authorize { method } if !Sandbox::knows(method) => {
            Answer::Declined("INVALID_PAYMENT_METHOD".into())
        }
        Action::Authorize { method } => {
            Answer::Authorized { reference: reference(method, &request.idempotency_key) }
        }
        Action::Capture { .. } => Answer::Captured,
        Action::Cancel { .. } => Answer::Cancelled,
        Action::Refund { .. } => Answer::Refunded,
    }
}

/// The name of an authorisation, which is all that later requests bring along: so it says how they
/// are to be answered.
fn reference(method: &str, idempotency_key: &str) -> String {
    format!("{method}/{idempotency_key}")
}

fn method_of(reference: &str) -> &str {
    reference.split_once('/').map_or(OK, |(method, _)| method)
}

#[cfg(test)]
mod tests {
    use contracts::ids::OrderId;
    use contracts::money::{Currency, Money};
    use contracts::trace::TraceContext;
    use uuid::Uuid;

    use super::*;

    const SANDBOX: Sandbox = Sandbox { slow: Duration::from_secs(2), ledger: None };

    fn request(action: Action, attempt: u32) -> Request {
        Request {
            idempotency_key: "pay_1:authorize".to_owned(),
            attempt,
            order: OrderId::from_uuid(Uuid::nil()),
            amount: Money { minor: 100, currency: Currency::INR },
            action,
            trace: TraceContext::new([1; 16], [2; 8]),
        }
    }

    async fn authorize(method: &str, attempt: u32) -> Answer {
        SANDBOX.ask(&request(Action::Authorize { method: method.to_owned() }, attempt)).await
    }

    #[tokio::test(start_paused = true)]
    async fn methods_name_their_outcome() {
        let authorized = authorize(OK, 1).await;
        assert!(matches!(authorized, Answer::Authorized { .. }));
        assert_eq!(authorize(OK, 2).await, authorized, "the same key, the same answer");
        let card_declined = Answer::Declined(PaymentFailureReason::CardDeclined);
        assert_eq!(authorize(DECLINED, 1).await, card_declined);
        let unknown = Answer::Declined("INVALID_PAYMENT_METHOD".into());
        assert_eq!(authorize("pm_card_nobody_has", 1).await, unknown);
        for method in ["", "pm_card_ok ", "PM_CARD_OK"] {
            assert!(!Sandbox::knows(method), "{method:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_card_takes_its_time_with_everything() {
        let started = tokio::time::Instant::now();
        let Answer::Authorized { reference } = authorize(SLOW, 1).await else {
            panic!("a slow card is a good one");
        };
        assert_eq!(started.elapsed(), SANDBOX.slow);
        let answer = SANDBOX.ask(&request(Action::Capture { reference }, 1)).await;
        assert_eq!((answer, started.elapsed()), (Answer::Captured, SANDBOX.slow * 2));
        authorize(SLOW, 2).await;
        assert_eq!(started.elapsed(), SANDBOX.slow * 2, "it was done meanwhile");
    }

    #[tokio::test(start_paused = true)]
    async fn a_lost_answer_is_found_by_asking_again() {
        let hour = Duration::from_hours(1);
        assert!(tokio::time::timeout(hour, authorize(TIMEOUT, 1)).await.is_err());
        let Answer::Authorized { reference } = authorize(TIMEOUT, 2).await else {
            panic!("it was authorised");
        };
        let cancel = |attempt| request(Action::Cancel { reference: reference.clone() }, attempt);
        assert!(tokio::time::timeout(hour, SANDBOX.ask(&cancel(1))).await.is_err());
        assert_eq!(SANDBOX.ask(&cancel(2)).await, Answer::Cancelled);
    }
}
