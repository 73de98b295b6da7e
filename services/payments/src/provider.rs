//! Whoever sets money aside, takes it, frees it or gives it back.
//!
//! The shape is that of a card provider with manual capture: an authorisation first, under a name of
//! the provider's, which is then captured, cancelled or refunded. Each request carries an idempotency
//! key, under which the provider does a thing once however often it is asked.

use std::time::Duration;

use contracts::ids::OrderId;
use contracts::money::Money;
use contracts::trace::TraceContext;

use crate::cause::Answer;
use crate::payment::{Operation, Payment};
use crate::sandbox::Sandbox;

/// The provider that was configured.
#[derive(Debug, Clone)]
pub enum Provider {
    /// The one that is built in.
    Sandbox(Sandbox),
}

/// What a provider is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The same for the same thing: `<payment id>:<operation>`.
    pub idempotency_key: String,
    /// 1 at first, one more whenever the same thing is asked again.
    pub attempt: u32,
    /// The order it is for, which an asynchronous answer names again.
    pub order: OrderId,
    /// The whole price of the order.
    pub amount: Money,
    /// What to do with it.
    pub action: Action,
    /// The step that led to it.
    pub trace: TraceContext,
}

/// What a provider is asked to do, and to what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Set the money aside.
    Authorize {
        /// What to pay with.
        method: String,
    },
    /// Take what is set aside.
    Capture {
        /// The authorisation.
        reference: String,
    },
    /// Free what is set aside.
    Cancel {
        /// The authorisation.
        reference: String,
    },
    /// Give back what was taken.
    Refund {
        /// The authorisation.
        reference: String,
    },
}

/// Why it is not known what the provider did. Asking again under the same key will tell.
#[derive(Debug, thiserror::Error)]
pub enum ProviderError {
    /// It took too long.
    #[error("the provider did not answer within {0:?}")]
    TimedOut(Duration),
    /// It cannot be reached, or did not answer as it should.
    #[error("the provider is not available")]
    Unavailable(#[source] anyhow::Error),
}

impl Provider {
    /// Its name, in the path of its webhooks.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Sandbox(_) => "sandbox",
        }
    }

    /// Whether it can be asked to authorise with this method. One that it knows may still be declined.
    pub fn knows(&self, method: &str) -> bool {
        match self {
            Self::Sandbox(_) => Sandbox::knows(method),
        }
    }

    /// Asks, and waits for the answer for `patience` at most.
    pub async fn ask(
        &self,
        request: &Request,
        patience: Duration,
    ) -> Result<Answer, ProviderError> {
        let answering = async {
            match self {
                Self::Sandbox(sandbox) => Ok(sandbox.ask(request).await),
            }
        };
        tokio::time::timeout(patience, answering)
            .await
            .unwrap_or(Err(ProviderError::TimedOut(patience)))
    }
}

impl Request {
    /// What is to be asked for a payment, if anything.
    pub fn of(payment: &Payment) -> Option<Self> {
        let operation = payment.state.operation()?;
        let reference = payment.reference.clone();
        let action = match operation {
            Operation::Authorize => Action::Authorize { method: payment.method.clone()? },
            Operation::Capture => Action::Capture { reference: reference? },
            Operation::Cancel => Action::Cancel { reference: reference? },
            Operation::Refund => Action::Refund { reference: reference? },
        };
        Some(Self {
            idempotency_key: format!("{}:{}", payment.id, operation.as_str()),
            attempt: payment.attempt,
            order: payment.order,
            amount: payment.bill?.amount,
            action,
            trace: payment.trace,
        })
    }
}

impl Action {
    /// Which operation it is.
    pub const fn operation(&self) -> Operation {
        match self {
            Self::Authorize { .. } => Operation::Authorize,
            Self::Capture { .. } => Operation::Capture,
            Self::Cancel { .. } => Operation::Cancel,
            Self::Refund { .. } => Operation::Refund,
        }
    }
}
