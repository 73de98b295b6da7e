use uuid::Uuid;

use super::*;

fn order(number: u128) -> OrderId {
    OrderId::from_uuid(Uuid::from_u128(number))
}

#[test]
fn an_end_counts_once_and_from_whichever_side_it_is_heard_of_first() {
    let ledger = Ledger::new().unwrap();
    let due = Instant::now();
    ledger.sent();
    ledger.ended(order(1), End::Completed);
    ledger.accepted(order(1), 0, due);
    ledger.sent();
    ledger.accepted(order(2), 0, due);
    ledger.ended(order(2), End::Failed("OUT_OF_STOCK"));
    ledger.ended(order(2), End::Failed("OUT_OF_STOCK"));
    let outcome = ledger.sum_up();
    assert_eq!((outcome.sent, outcome.accepted, outcome.completed), (2, 2, 1));
    assert_eq!((outcome.ended(), outcome.repeats, outcome.lost), (2, 1, 0));
    assert_eq!(outcome.failed, BTreeMap::from([("OUT_OF_STOCK".to_owned(), 1)]));
    assert_eq!(ledger.ends_by_customer(), BTreeMap::from([(0, 2)]));
    assert_eq!((outcome.accept.count, outcome.end.count), (2, 2));
}

#[test]
fn an_accepted_order_without_an_end_is_lost_and_an_end_of_no_order_is_a_strangers() {
    let ledger = Ledger::new().unwrap();
    ledger.sent();
    ledger.accepted(order(1), 0, Instant::now());
    ledger.ended(order(2), End::Completed);
    ledger.stopped();
    let outcome = ledger.sum_up();
    assert_eq!((outcome.lost, outcome.strangers, outcome.backlog_at_end), (1, 1, 1));
    assert_eq!(outcome.lost_examples, [order(1).to_string()]);
}

#[test]
fn latency_counts_from_the_moment_an_order_was_due() {
    let ledger = Ledger::new().unwrap();
    ledger.sent();
    let due = Instant::now().checked_sub(Duration::from_secs(5)).unwrap();
    ledger.accepted(order(1), 0, due);
    ledger.ended_on_stream(order(1));
    ledger.ended_on_stream(order(1));
    assert!(ledger.sum_up().accept.p50_ms >= 4990.0);
    assert_eq!(ledger.ends_on_streams().count, 1);
}

#[test]
fn each_second_tells_of_itself() {
    let ledger = Ledger::new().unwrap();
    ledger.tick(0);
    ledger.sent();
    ledger.accepted(order(1), 0, Instant::now());
    ledger.accepted(order(2), 0, Instant::now());
    ledger.tick(0);
    ledger.ended(order(1), End::Completed);
    ledger.ended(order(2), End::Failed("OUT_OF_STOCK"));
    ledger.tick(0);
    let seconds = ledger.sum_up().series;
    let counts = |s: &Second| (s.accepted, s.ended);
    assert_eq!(seconds.iter().map(counts).collect::<Vec<_>>(), [(2, 0), (0, 2)]);
}
