use chrono::TimeDelta;
use contracts::money::Currency;
use proptest::prelude::*;
use uuid::Uuid;

use super::*;

const CAUSES: [Cause; 6] = [
    Cause::InventoryReserved,
    Cause::InventoryReservationFailed,
    Cause::PaymentAuthorized,
    Cause::PaymentFailed,
    Cause::ExpirationCompleted,
    Cause::CustomerCancelled,
];

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_755_253_800 + seconds, 0).unwrap()
}

fn trace() -> TraceId {
    TraceId::from_bytes([7; 16])
}

fn placed() -> Order {
    Order::placed(
        OrderId::from_uuid(Uuid::from_u128(1)),
        CustomerId::from_uuid(Uuid::from_u128(2)),
        Money { minor: 149_900, currency: Currency::INR },
        at(0),
    )
}

/// The order after some causes, one a second, with everything that was told.
fn after(causes: &[Cause]) -> (Order, Vec<Event>) {
    let mut told = Vec::new();
    let order = (1..).zip(causes).fold(placed(), |order, (second, &cause)| {
        let (order, news) = decide(order, cause, at(second), trace());
        told.extend(news);
        order
    });
    (order, told)
}

fn is_end(event: &Event) -> bool {
    matches!(event, Event::OrderCompleted(_) | Event::OrderFailed(_) | Event::OrderCancelled(_))
}

#[test]
fn reserved_then_paid_completes() {
    let (order, told) = after(&[Cause::InventoryReserved, Cause::PaymentAuthorized]);
    assert_eq!((order.state, order.version), (State::Completed, 3));
    let (id, customer) = (order.id, order.customer);
    let updated = OrderUpdated {
        order_id: id,
        customer_id: customer,
        status: OrderStatus::Pending,
        step: OrderStep::InventoryReserved,
        version: 2,
        updated_at: at(1),
        trace_id: trace(),
    };
    let completed = OrderCompleted {
        order_id: id,
        customer_id: Some(customer),
        version: Some(3),
        total: Some("1499.00".parse().unwrap()),
        currency: Some(Currency::INR),
        completed_at: Some(at(2)),
        trace_id: trace(),
    };
    assert_eq!(told, [updated.into(), completed.into()]);
}

#[test]
fn paid_then_reserved_completes_as_well() {
    let (order, told) = after(&[Cause::PaymentAuthorized, Cause::InventoryReserved]);
    assert_eq!(order.state, State::Completed);
    let Event::OrderUpdated(updated) = &told[0] else { panic!("{told:?}") };
    assert_eq!(
        (updated.status, updated.step),
        (OrderStatus::Pending, OrderStep::PaymentAuthorized)
    );
    assert!(matches!(told[1], Event::OrderCompleted(_)));
}

#[test]
fn each_ending_says_why_and_when() {
    for (cause, reason) in [
        (Cause::InventoryReservationFailed, OrderFailureReason::OutOfStock),
        (Cause::PaymentFailed, OrderFailureReason::PaymentFailed),
    ] {
        let (order, told) = after(&[cause]);
        assert_eq!(order.state, State::Failed(reason));
        let [Event::OrderFailed(failed)] = told.as_slice() else { panic!("{told:?}") };
        assert_eq!((failed.order_id, failed.customer_id), (order.id, Some(order.customer)));
        assert_eq!((failed.reason, failed.version), (reason, Some(2)));
        assert_eq!(failed.failed_at, Some(at(1)));
    }
    for (cause, reason) in [
        (Cause::CustomerCancelled, CancelReason::Customer),
        (Cause::ExpirationCompleted, CancelReason::Expired),
    ] {
        let (order, told) = after(&[cause]);
        assert_eq!(order.state, State::Cancelled(reason));
        let [Event::OrderCancelled(cancelled)] = told.as_slice() else { panic!("{told:?}") };
        assert_eq!((cancelled.order_id, cancelled.customer_id), (order.id, Some(order.customer)));
        assert_eq!((cancelled.reason, cancelled.version), (reason, Some(2)));
        assert_eq!(cancelled.cancelled_at, Some(at(1)));
    }
}

#[test]
fn every_open_state_can_fail_or_be_given_up() {
    for before in [&[][..], &[Cause::InventoryReserved], &[Cause::PaymentAuthorized]] {
        for (cause, status) in [
            (Cause::InventoryReservationFailed, OrderStatus::Failed),
            (Cause::PaymentFailed, OrderStatus::Failed),
            (Cause::ExpirationCompleted, OrderStatus::Cancelled),
            (Cause::CustomerCancelled, OrderStatus::Cancelled),
        ] {
            let (order, _) = after(&[before, &[cause]].concat());
            assert_eq!(order.state.status(), status, "{before:?}, {cause:?}");
        }
    }
}

#[test]
fn a_timer_that_fires_early_ends_the_order() {
    let (order, news) = decide(placed(), Cause::ExpirationCompleted, at(0), trace());
    assert_eq!(order.state, State::Cancelled(CancelReason::Expired));
    assert!(news.is_some());
}

#[test]
fn time_does_not_run_backwards() {
    let (order, _) = decide(placed(), Cause::InventoryReserved, at(5), trace());
    let (order, news) = decide(order, Cause::PaymentAuthorized, at(3), trace());
    assert_eq!(order.updated_at, at(5));
    let Some(Event::OrderCompleted(completed)) = news else { panic!("{news:?}") };
    assert_eq!(completed.completed_at, Some(at(5)));
}

#[test]
fn states_come_back_from_their_parts() {
    let states = [
        State::Created,
        State::InventoryReserved,
        State::PaymentAuthorized,
        State::Completed,
        State::Failed(OrderFailureReason::OutOfStock),
        State::Failed(OrderFailureReason::PaymentFailed),
        State::Cancelled(CancelReason::Customer),
        State::Cancelled(CancelReason::Expired),
    ];
    for state in states {
        assert_eq!(State::from_parts(state.step(), state.reason()), Some(state));
    }
    assert_eq!(State::from_parts(OrderStep::Created, Some("EXPIRED")), None);
    assert_eq!(State::from_parts(OrderStep::Failed, Some("EXPIRED")), None);
    assert_eq!(State::from_parts(OrderStep::Cancelled, None), None);
}

/// Where a sequence of causes must end, told in another way than by a state machine.
fn expected(causes: &[Cause]) -> OrderStatus {
    let first = |wanted: &[Cause]| causes.iter().position(|cause| wanted.contains(cause));
    let reserved = first(&[Cause::InventoryReserved]);
    let authorized = first(&[Cause::PaymentAuthorized]);
    let both = reserved.zip(authorized).map(|(reserved, authorized)| reserved.max(authorized));
    let failed = first(&[Cause::InventoryReservationFailed, Cause::PaymentFailed]);
    let cancelled = first(&[Cause::CustomerCancelled, Cause::ExpirationCompleted]);
    let ends = [
        (both, OrderStatus::Completed),
        (failed, OrderStatus::Failed),
        (cancelled, OrderStatus::Cancelled),
    ];
    let earliest = ends.into_iter().filter_map(|(position, status)| Some((position?, status)));
    earliest.min_by_key(|end| end.0).map_or(OrderStatus::Pending, |end| end.1)
}

fn causes() -> impl Strategy<Value = Vec<Cause>> {
    proptest::collection::vec(proptest::sample::select(&CAUSES[..]), 0..12)
}

proptest! {
    #[test]
    fn the_first_deciding_cause_wins(causes in causes()) {
        prop_assert_eq!(after(&causes).0.state.status(), expected(&causes));
    }

    #[test]
    fn an_end_is_told_once_and_last(causes in causes()) {
        let (order, told) = after(&causes);
        let ended = order.state.status() != OrderStatus::Pending;
        prop_assert_eq!(told.iter().filter(|event| is_end(event)).count(), usize::from(ended));
        prop_assert_eq!(told.last().is_some_and(is_end), ended);
        prop_assert!(told.iter().filter(|event| !is_end(event)).count() <= 1);
    }

    #[test]
    fn an_end_never_changes(causes in causes(), late in causes()) {
        let (ended, _) = after(&causes);
        prop_assume!(ended.state.status() != OrderStatus::Pending);
        for cause in late {
            let (order, news) = decide(ended, cause, at(1000), trace());
            prop_assert_eq!((order, news), (ended, None));
        }
    }

    #[test]
    fn the_version_counts_the_changes_and_each_is_told(causes in causes()) {
        let mut order = placed();
        for cause in causes {
            let (next, news) = decide(order, cause, order.updated_at + TimeDelta::seconds(1), trace());
            prop_assert_eq!(news.is_some(), next != order);
            prop_assert_eq!(next.version, order.version + u32::from(news.is_some()));
            prop_assert_eq!(next.state == order.state, news.is_none());
            order = next;
        }
    }

    #[test]
    fn repeats_change_nothing(causes in causes(), repeats in 1_usize..4) {
        let repeated: Vec<_> =
            causes.iter().flat_map(|cause| std::iter::repeat_n(*cause, repeats)).collect();
        let (once, told_once) = after(&causes);
        let (often, told_often) = after(&repeated);
        prop_assert_eq!((once.state, once.version), (often.state, often.version));
        prop_assert_eq!(told_once.len(), told_often.len());
    }

    #[test]
    fn a_replay_of_everything_changes_nothing(causes in causes()) {
        let (order, _) = after(&causes);
        for cause in causes {
            let (again, news) = decide(order, cause, at(1000), trace());
            prop_assert_eq!((again, news), (order, None));
        }
    }

    #[test]
    fn the_order_of_the_two_halves_does_not_matter(
        halves in Just([Cause::InventoryReserved, Cause::PaymentAuthorized]).prop_shuffle(),
        late in causes(),
    ) {
        let (order, _) = after(&[&halves[..], &late].concat());
        prop_assert_eq!(order.state, State::Completed);
    }
}
