use std::slice;

use contracts::events::PaymentAuthorized;
use contracts::money::Currency;
use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::cause::Answer;

mod interleavings;

fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_755_253_800, 0).unwrap()
}

fn trace(n: u8) -> TraceContext {
    TraceContext::new([n; 16], [n; 8])
}

fn bill() -> Bill {
    let amount = Money { minor: 149_900, currency: Currency::INR };
    Bill { customer: CustomerId::from_uuid(Uuid::from_u128(1)), amount }
}

fn placed(method: Option<&str>) -> Cause<'_> {
    Cause::OrderPlaced { bill: bill(), method }
}

fn authorized() -> Cause<'static> {
    Cause::Answered(Answer::Authorized { reference: "ref".to_owned() })
}

fn declined() -> Cause<'static> {
    Cause::Answered(Answer::Declined(PaymentFailureReason::CardDeclined))
}

const COMPLETED: Cause = Cause::OrderEnded(OrderEnd::Completed);
const FAILED: Cause = Cause::OrderEnded(OrderEnd::Failed);
const CANCELLED: Cause = Cause::OrderEnded(OrderEnd::Cancelled);
const CAPTURED: Cause = Cause::Answered(Answer::Captured);
const VOIDED: Cause = Cause::Answered(Answer::Cancelled);
const REFUNDED: Cause = Cause::Answered(Answer::Refunded);

fn new() -> Payment {
    let order = OrderId::from_uuid(Uuid::from_u128(2));
    Payment::new(PaymentId::from_uuid(Uuid::from_u128(3)), order, trace(9), now())
}

/// Each cause arrives twice; the repeat must change nothing and tell nothing.
fn after(causes: &[Cause]) -> (Payment, Vec<&'static str>) {
    let (mut payment, mut told) = (new(), Vec::new());
    for cause in causes {
        if let Some(decision) = decide(&payment, cause.clone(), trace(1), now()) {
            payment = decision.payment;
            told.extend(decision.event.map(|event| event.event_type().name()));
        }
        let unanswered = matches!(cause, Cause::Unanswered(_));
        let repeat = decide(&payment, cause.clone(), trace(2), now());
        assert!(unanswered || repeat.is_none(), "the repeat of {cause:?}: {repeat:?}");
    }
    (payment, told)
}

#[track_caller]
fn assert_ends(causes: &[Cause], state: State, told: &[&str]) -> Payment {
    let (payment, events) = after(causes);
    assert_eq!((payment.state, &*events), (state, told), "{payment:?}");
    payment
}

#[test]
fn authorises_when_order_stock_and_method_are_known_whatever_comes_first() {
    let ok = Some("pm_card_ok");
    let payment = assert_ends(&[placed(ok), Cause::StockReserved], State::Authorizing, &[]);
    assert_eq!((payment.due_at, payment.attempt), (Some(now()), 0));
    assert_ends(&[Cause::StockReserved, placed(ok)], State::Authorizing, &[]);

    let chosen = Cause::MethodChosen("pm_card_ok");
    assert_ends(&[placed(None), Cause::StockReserved], State::Awaiting, &[]);
    assert_ends(&[placed(None), Cause::StockReserved, chosen.clone()], State::Authorizing, &[]);
    assert_ends(&[placed(None), chosen.clone()], State::Awaiting, &[]);
    assert_ends(&[placed(None), chosen, Cause::StockReserved], State::Authorizing, &[]);
}

#[test]
fn tells_what_the_provider_answered() {
    let asked = [placed(Some("pm_card_ok")), Cause::StockReserved];
    let payment = assert_ends(
        &[&asked[..], &[authorized()]].concat(),
        State::Authorized,
        &["PaymentAuthorized"],
    );
    assert_eq!((payment.due_at, payment.reference.as_deref()), (None, Some("ref")));
    let payment =
        assert_ends(&[&asked[..], &[declined()]].concat(), State::Failed, &["PaymentFailed"]);
    assert_eq!((payment.due_at, payment.failure), (None, Some(PaymentFailureReason::CardDeclined)));
}

#[test]
fn an_event_has_the_money_of_the_bill_and_the_trace_of_its_cause() {
    let (payment, _) = after(&[placed(Some("pm_card_ok")), Cause::StockReserved]);
    let decision = decide(&payment, authorized(), trace(5), now()).unwrap();
    let expected = PaymentAuthorized {
        order_id: payment.order,
        amount: "1499.00".parse().unwrap(),
        currency: Currency::INR,
        payment_id: payment.id,
        authorized_at: Some(now()),
        trace_id: trace(5).trace_id,
    };
    assert_eq!(decision.event, Some(expected.into()));
    assert_eq!(decision.payment.trace, trace(5));
}

#[test]
fn captures_for_a_completed_order_alone() {
    let authorized = [placed(Some("pm_card_ok")), Cause::StockReserved, authorized()];
    let told = ["PaymentAuthorized", "PaymentCaptured"];
    assert_ends(&[&authorized[..], &[COMPLETED]].concat(), State::Capturing, &told[..1]);
    assert_ends(&[&authorized[..], &[COMPLETED, CAPTURED]].concat(), State::Captured, &told);
    for end in [FAILED, CANCELLED] {
        let told = ["PaymentAuthorized", "PaymentVoided"];
        let ended = [&authorized[..], &[end]].concat();
        assert_ends(&ended, State::Voiding, &told[..1]);
        assert_ends(&[&ended[..], &[VOIDED]].concat(), State::Voided, &told);
        // Too late, and of a call that was never made.
        assert_ends(&[&ended[..], &[COMPLETED, CAPTURED]].concat(), State::Voiding, &told[..1]);
    }
}

#[test]
fn an_order_that_ends_first_is_never_paid() {
    for end in [FAILED, CANCELLED] {
        let late = [placed(Some("pm_card_ok")), Cause::StockReserved];
        let payment = assert_ends(&[slice::from_ref(&end), &late].concat(), State::Cancelled, &[]);
        assert_eq!(payment.bill, Some(bill()), "the customer may still ask about it");
        assert_ends(&[&late[..1], &[end], &late[1..]].concat(), State::Cancelled, &[]);
    }
}

#[test]
fn an_authorisation_that_comes_after_the_end_is_voided_and_not_told() {
    let asked = [placed(Some("pm_card_ok")), Cause::StockReserved];
    for end in [FAILED, CANCELLED] {
        let ended = [&asked[..], &[end]].concat();
        assert_ends(&ended, State::Authorizing, &[]);
        assert_ends(&[&ended[..], &[authorized()]].concat(), State::Voiding, &[]);
        assert_ends(
            &[&ended[..], &[authorized(), VOIDED]].concat(),
            State::Voided,
            &["PaymentVoided"],
        );
        assert_ends(&[&ended[..], &[declined()]].concat(), State::Failed, &["PaymentFailed"]);
    }
}

#[test]
fn what_was_captured_for_an_order_that_failed_after_all_is_refunded() {
    let authorized = [placed(Some("pm_card_ok")), Cause::StockReserved, authorized(), COMPLETED];
    let told = ["PaymentAuthorized", "PaymentCaptured", "PaymentRefunded"];
    for end in [FAILED, CANCELLED] {
        // On its way: its answer is awaited.
        let ended = [&authorized, slice::from_ref(&end)].concat();
        assert_ends(&ended, State::Capturing, &told[..1]);
        let answered = [&ended[..], &[CAPTURED]].concat();
        assert_ends(&answered, State::Refunding, &told[..2]);
        assert_ends(&[&answered[..], &[REFUNDED]].concat(), State::Refunded, &told);

        let captured = [&authorized[..], &[CAPTURED, end]].concat();
        assert_ends(&captured, State::Refunding, &told[..2]);
        assert_ends(&[&captured[..], &[REFUNDED]].concat(), State::Refunded, &told);
    }
}

#[test]
fn an_answer_that_does_not_come_is_asked_for_again_ever_more_slowly() {
    let (mut payment, _) = after(&[placed(Some("pm_card_ok")), Cause::StockReserved]);
    let mut pauses = Vec::new();
    for attempt in 1..=20 {
        payment.attempt = attempt;
        let cause = Cause::Unanswered(Operation::Authorize);
        let decision = decide(&payment, cause, trace(1), now()).unwrap();
        assert_eq!((decision.payment.state, decision.event), (State::Authorizing, None));
        pauses.push((decision.payment.due_at.unwrap() - now()).num_milliseconds());
    }
    assert!(pauses.is_sorted(), "{pauses:?}");
    assert!((100..=200).contains(&pauses[0]), "{pauses:?}");
    assert!((30_000..=60_000).contains(&pauses[19]), "{pauses:?}");
    let other = Cause::Unanswered(Operation::Capture);
    assert_eq!(decide(&payment, other, trace(1), now()), None, "of an earlier operation");
}

#[test]
fn a_fact_that_comes_while_the_provider_is_asked_leaves_the_call_alone() {
    let (mut payment, _) = after(&[placed(Some("pm_card_ok")), Cause::StockReserved]);
    let lease = Some(now() + TimeDelta::seconds(7));
    (payment.due_at, payment.attempt) = (lease, 1);
    let decision = decide(&payment, CANCELLED, trace(1), now()).unwrap();
    assert_eq!((decision.payment.due_at, decision.payment.attempt), (lease, 1));
}

#[test]
fn time_never_runs_backwards() {
    let (payment, _) = after(&[placed(None)]);
    let earlier = now() - TimeDelta::seconds(1);
    let decision = decide(&payment, Cause::StockReserved, trace(1), earlier).unwrap();
    assert_eq!((decision.payment.updated_at, decision.payment.version), (now(), 2));
}

/// What paying with `method` leads to from a state: the state, or the refusal.
fn paying(causes: &[Cause], method: &str) -> Result<Option<State>, Refusal> {
    let (payment, _) = after(causes);
    Ok(pay(&payment, method, trace(1), now())?.map(|decision| decision.payment.state))
}

#[test]
fn a_method_can_be_chosen_until_the_provider_is_asked() {
    let unpaid = [placed(None), Cause::StockReserved];
    assert_eq!(paying(&unpaid, "pm_card_ok"), Ok(Some(State::Authorizing)));
    assert_eq!(paying(&unpaid[..1], "pm_card_ok"), Ok(Some(State::Awaiting)));
    let named = [placed(Some("pm_card_ok"))];
    assert_eq!(paying(&named, "pm_card_ok"), Ok(None));
    assert_eq!(paying(&named, "pm_card_slow"), Ok(Some(State::Awaiting)));
    let asked = [&named[..], &[Cause::StockReserved]].concat();
    assert_eq!(paying(&asked, "pm_card_ok"), Ok(None));
    assert_eq!(paying(&asked, "pm_card_slow"), Err(Refusal::InProgress));
}

#[test]
fn paying_what_is_paid_refused_or_given_up_is_refused() {
    let asked = [placed(Some("pm_card_ok")), Cause::StockReserved];
    let and = |more: &[Cause<'static>]| paying(&[&asked[..], more].concat(), "pm_card_ok");
    assert_eq!(and(&[authorized()]), Err(Refusal::AlreadyPaid));
    assert_eq!(and(&[authorized(), COMPLETED]), Err(Refusal::AlreadyPaid));
    assert_eq!(and(&[authorized(), COMPLETED, CAPTURED]), Err(Refusal::AlreadyPaid));
    assert_eq!(and(&[declined()]), Err(Refusal::Failed));
    assert_eq!(and(&[declined(), FAILED]), Err(Refusal::Failed));
    assert_eq!(and(&[CANCELLED]), Err(Refusal::OrderEnded));
    assert_eq!(and(&[CANCELLED, authorized()]), Err(Refusal::OrderEnded));
    assert_eq!(and(&[CANCELLED, authorized(), VOIDED]), Err(Refusal::OrderEnded));
    assert_eq!(paying(&[placed(None), CANCELLED], "pm_card_ok"), Err(Refusal::OrderEnded));
}
