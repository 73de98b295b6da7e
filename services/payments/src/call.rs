//! One call to the provider, and what is told of it.

use std::time::{Duration, Instant};

use spans::{Kind, Step};

use crate::cause::{Answer, Cause};
use crate::changes::Happened;
use crate::provider::{Provider, ProviderError, Request};

/// Asks the provider once.
pub async fn ask(provider: Provider, request: Request, patience: Duration) -> Happened<'static> {
    let started = Instant::now();
    let answer = provider.ask(&request, patience).await;
    let operation = request.action.operation();
    let labels = [("operation", operation.as_str()), ("outcome", outcome(&answer))];
    metrics::histogram!("provider_call_duration_seconds", &labels).record(started.elapsed());
    if spans::records(&request.trace) {
        spans::tell(step(&provider, &request, &answer, started));
    }
    let cause = answer.map_or_else(
        |error| {
            let (order, attempt) = (request.order, request.attempt);
            let error = anyhow::Error::new(error);
            tracing::warn!(%order, ?operation, attempt, error = format!("{error:#}"), "no answer from the provider; asking again");
            Cause::Unanswered(operation)
        },
        Cause::Answered,
    );
    Happened { order: request.order, cause, trace: None }
}

fn outcome(answer: &Result<Answer, ProviderError>) -> &'static str {
    match answer {
        Ok(Answer::Declined(_)) => "declined",
        Ok(_) => "done",
        Err(ProviderError::TimedOut(_)) => "timed_out",
        Err(ProviderError::Unavailable(_)) => "unavailable",
    }
}

/// The call as a step below the one that led to it. Without what is paid with, which the provider's names for
/// authorisations may repeat.
fn step(
    provider: &Provider,
    request: &Request,
    answer: &Result<Answer, ProviderError>,
    started: Instant,
) -> Step {
    let operation = request.action.operation().as_str();
    Step {
        name: format!("{operation} payment"),
        kind: Kind::Client,
        context: spans::next(request.trace),
        parent: Some(request.trace.span_id),
        started,
        links: Vec::new(),
        attributes: vec![
            ("payment.provider", provider.name().to_owned()),
            ("payment.operation", operation.to_owned()),
            ("payment.attempt", request.attempt.to_string()),
            ("payment.outcome", outcome(answer).to_owned()),
        ],
        // Not its cause, which may be anything.
        error: answer.as_ref().err().map(ToString::to_string),
    }
}

#[cfg(test)]
mod tests {
    use contracts::ids::OrderId;
    use contracts::money::{Currency, Money};
    use contracts::trace::TraceContext;
    use uuid::Uuid;

    use super::*;
    use crate::provider::Action;
    use crate::sandbox::{OK, Sandbox};

    #[test]
    fn a_call_is_told_with_its_outcome_and_without_what_is_paid_with() {
        let provider = Provider::Sandbox(Sandbox { slow: Duration::ZERO, ledger: None });
        let trace = TraceContext::new([7; 16], [8; 8]);
        let request = Request {
            idempotency_key: "pay_1:authorize".to_owned(),
            attempt: 2,
            order: OrderId::from_uuid(Uuid::nil()),
            amount: Money { minor: 100, currency: Currency::INR },
            action: Action::Authorize { method: OK.to_owned() },
            trace,
        };
        let told = |answer| step(&provider, &request, &answer, Instant::now());
        let outcome = |name: &str| ("payment.outcome", name.to_owned());

        let done = told(Ok(Answer::Authorized { reference: format!("{OK}/pay_1:authorize") }));
        assert_eq!(done.name, "authorize payment");
        assert_eq!((done.kind, done.parent), (Kind::Client, Some(trace.span_id)));
        assert!(done.attributes.contains(&outcome("done")) && done.error.is_none(), "{done:?}");
        assert!(!format!("{done:?}").contains(OK), "{done:?}");

        let lost = told(Err(ProviderError::Unavailable(anyhow::anyhow!("{OK} in its answer"))));
        assert!(lost.attributes.contains(&outcome("unavailable")), "{lost:?}");
        assert_eq!(lost.error.as_deref(), Some("the provider is not available"));
    }
}
