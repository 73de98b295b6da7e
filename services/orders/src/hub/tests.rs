use contracts::events::{OrderFailureReason, OrderStatus, OrderUpdated};
use contracts::topic::Topic;
use contracts::trace::TraceContext;
use uuid::Uuid;

use super::*;

const STREAMS: usize = 3;
const LIMITS: Limits = Limits { of_customer: STREAMS, of_all: 4 };

fn customer(n: u128) -> CustomerId {
    CustomerId::from_uuid(Uuid::from_u128(n))
}

fn event(customer_id: CustomerId, version: u32) -> Received {
    let trace = TraceContext::new([1; 16], [1; 8]);
    let event = OrderUpdated {
        order_id: OrderId::from_uuid(Uuid::from_u128(9)),
        customer_id,
        status: OrderStatus::Pending,
        step: State::InventoryReserved.step(),
        version,
        updated_at: DateTime::UNIX_EPOCH,
        trace_id: trace.trace_id,
    };
    Received {
        publisher: TraceContext::new([1; 16], [1; 8]).span_id,
        event: event.into(),
        id: Uuid::nil(),
        time: DateTime::UNIX_EPOCH,
        trace,
        topic: Topic::Orders,
        partition: 0,
        offset: 0,
    }
}

fn versions(subscription: &mut Subscription) -> Vec<u32> {
    std::iter::from_fn(|| subscription.news.try_recv().ok())
        .map(|(_, update)| update.version)
        .collect()
}

#[test]
fn news_reach_every_stream_of_their_customer_and_nobody_else() {
    let hub = Hub::new(LIMITS);
    let mut first = hub.subscribe(customer(1)).unwrap();
    let mut second = hub.subscribe(customer(1)).unwrap();
    let mut other = hub.subscribe(customer(2)).unwrap();
    hub.tell(&event(customer(1), 2));
    hub.tell(&event(customer(3), 2));
    assert_eq!((versions(&mut first), versions(&mut second)), (vec![2], vec![2]));
    assert!(versions(&mut other).is_empty());
}

#[test]
fn a_stream_that_falls_behind_is_closed_and_keeps_what_it_was_told() {
    let hub = Hub::new(LIMITS);
    let mut slow = hub.subscribe(customer(1)).unwrap();
    let backlog = u32::try_from(BACKLOG).unwrap();
    for version in 1..=backlog + 1 {
        hub.tell(&event(customer(1), version));
    }
    assert_eq!(versions(&mut slow), (1..=backlog).collect::<Vec<_>>());
    hub.tell(&event(customer(1), backlog + 2));
    assert!(slow.news.try_recv().is_err());
    assert!(slow.news.is_closed(), "what came in between is lost, so nothing may follow it");
}

#[test]
fn a_customer_may_have_so_many_streams_also_slow_ones() {
    let hub = Hub::new(LIMITS);
    let mut open: Vec<_> = (0..STREAMS).map(|_| hub.subscribe(customer(1)).unwrap()).collect();
    for version in 0..=u32::try_from(BACKLOG).unwrap() {
        hub.tell(&event(customer(1), version));
    }
    assert_eq!(hub.subscribe(customer(1)).unwrap_err(), TooManyStreams::OfCustomer(STREAMS));
    hub.subscribe(customer(2)).unwrap();
    open.pop();
    hub.subscribe(customer(1)).unwrap();
}

#[test]
fn all_customers_together_may_have_so_many_streams() {
    let hub = Hub::new(LIMITS);
    let open = |n| hub.subscribe(customer(n));
    let mut streams: Vec<_> = (0..4).map(|n| open(n).unwrap()).collect();
    assert_eq!(open(4).unwrap_err(), TooManyStreams::OfAll(LIMITS.of_all));
    streams.pop();
    let _stays = open(4).unwrap();
    assert_eq!(open(5).unwrap_err(), TooManyStreams::OfAll(LIMITS.of_all));
}

#[test]
fn nothing_is_left_of_a_stream_that_is_gone() {
    let hub = Hub::new(LIMITS);
    drop(hub.subscribe(customer(1)).unwrap());
    assert!(hub.streams().by_customer.is_empty());
}

#[test]
fn an_end_without_its_customer_is_told_to_nobody() {
    let order_id = OrderId::from_uuid(Uuid::nil());
    let trace_id = TraceContext::new([1; 16], [1; 8]).trace_id;
    let (reason, at) = (OrderFailureReason::OutOfStock, Some(DateTime::UNIX_EPOCH));
    let failed = contracts::events::OrderFailed {
        order_id,
        reason,
        customer_id: Some(customer(1)),
        version: Some(2),
        failed_at: at,
        trace_id,
    };
    let (whose, told) = update(&failed.clone().into()).unwrap();
    assert_eq!((whose, told.state, told.version), (customer(1), State::Failed(reason), 2));
    let nobody = contracts::events::OrderFailed { customer_id: None, ..failed };
    assert_eq!(update(&nobody.into()), None);
}
