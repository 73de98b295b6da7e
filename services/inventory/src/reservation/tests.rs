use proptest::prelude::*;
use uuid::Uuid;

use super::*;

const TRACE: [u8; 16] = [7; 16];

fn trace_id() -> TraceId {
    TraceId::from_bytes(TRACE)
}

fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_755_253_800, 0).unwrap()
}

fn order(n: u128) -> OrderId {
    OrderId::from_uuid(Uuid::from_u128(n))
}

fn sku(text: &str) -> Sku {
    text.parse().unwrap()
}

fn lines(lines: &[(&str, u32)]) -> Vec<Line> {
    lines.iter().map(|&(text, qty)| Line { sku: sku(text), qty }).collect()
}

/// The stock and the reservations, as the consumer keeps them.
#[derive(Debug, Clone, PartialEq)]
struct Warehouse {
    levels: BTreeMap<Sku, Level>,
    reservations: BTreeMap<OrderId, Reservation>,
}

impl Warehouse {
    fn of(stock: &[(&str, u32)]) -> Self {
        let level = |on_hand| Level::new(on_hand, 0).unwrap();
        let levels = stock.iter().map(|&(text, on_hand)| (sku(text), level(on_hand))).collect();
        Self { levels, reservations: BTreeMap::new() }
    }

    /// Does what is decided and returns what is told.
    fn hears(&mut self, order: OrderId, cause: Cause) -> Option<Event> {
        let held = self.reservations.get(&order);
        let decision = decide(order, held, cause, &self.levels, now(), trace_id()).unwrap()?;
        self.levels.extend(decision.levels);
        self.reservations.insert(order, decision.reservation);
        decision.event
    }

    /// The same, and again: the repeat must change nothing and tell nothing.
    fn hears_twice(&mut self, order: OrderId, cause: Cause) -> Option<Event> {
        let event = self.hears(order, cause);
        let before = self.clone();
        assert_eq!(self.hears(order, cause), None, "the repeat of {cause:?}");
        assert_eq!(*self, before, "after the repeat of {cause:?}");
        event
    }

    fn level(&self, text: &str) -> (u32, u32) {
        let level = self.levels[&sku(text)];
        (level.on_hand(), level.reserved())
    }

    fn status(&self, order: OrderId) -> Status {
        self.reservations[&order].status
    }

    fn held(&self, status: Status, sku: &Sku) -> u32 {
        let held = self.reservations.values().filter(|r| r.status == status);
        held.filter_map(|reservation| reservation.lines.get(sku)).sum()
    }
}

fn reserved(order_id: OrderId, of: &[(&str, u32)]) -> Event {
    let (reservations, trace_id) = (lines(of), trace_id());
    InventoryReserved { order_id, reservations, reserved_at: now(), trace_id }.into()
}

fn out_of_stock(order_id: OrderId, short: &str) -> Event {
    let reason = ReservationFailureReason::OutOfStock;
    let event = InventoryReservationFailed {
        order_id,
        reason,
        sku: Some(sku(short)),
        trace_id: trace_id(),
    };
    event.into()
}

fn released(order_id: OrderId, of: &[(&str, u32)]) -> Event {
    let (reservations, trace_id) = (lines(of), trace_id());
    InventoryReleased { order_id, reservations, released_at: now(), trace_id }.into()
}

#[test]
fn an_order_is_reserved_and_completed() {
    let mut stock = Warehouse::of(&[("A", 5), ("B", 5)]);
    let items = lines(&[("A", 2), ("B", 5)]);
    let told = stock.hears_twice(order(1), Cause::Created(&items));
    assert_eq!(told, Some(reserved(order(1), &[("A", 2), ("B", 5)])));
    assert_eq!((stock.level("A"), stock.level("B")), ((5, 2), (5, 5)));
    assert_eq!(stock.hears_twice(order(1), Cause::Completed), None);
    assert_eq!((stock.level("A"), stock.level("B")), ((3, 0), (0, 0)));
    assert_eq!(stock.status(order(1)), Status::Deducted);
}

#[test]
fn an_order_is_reserved_and_released() {
    let mut stock = Warehouse::of(&[("A", 5), ("B", 5)]);
    stock.hears_twice(order(1), Cause::Created(&lines(&[("B", 5), ("A", 2)])));
    let told = stock.hears_twice(order(1), Cause::Ended);
    assert_eq!(told, Some(released(order(1), &[("A", 2), ("B", 5)])));
    assert_eq!((stock.level("A"), stock.level("B")), ((5, 0), (5, 0)));
    assert_eq!(stock.status(order(1)), Status::Released);
}

#[test]
fn too_little_of_one_line_reserves_none() {
    let mut stock = Warehouse::of(&[("A", 5), ("B", 1), ("C", 0)]);
    let items = lines(&[("C", 1), ("A", 2), ("B", 2)]);
    let told = stock.hears_twice(order(1), Cause::Created(&items));
    assert_eq!(told, Some(out_of_stock(order(1), "B")), "the first in the order of SKUs");
    assert_eq!((stock.level("A"), stock.level("B")), ((5, 0), (1, 0)));
    assert_eq!(stock.hears_twice(order(1), Cause::Ended), None);
    assert_eq!(stock.status(order(1)), Status::Rejected);
}

#[test]
fn an_unknown_product_is_out_of_stock() {
    let mut stock = Warehouse::of(&[("A", 5)]);
    let told = stock.hears_twice(order(1), Cause::Created(&lines(&[("A", 1), ("Z", 1)])));
    assert_eq!(told, Some(out_of_stock(order(1), "Z")));
    assert_eq!(stock.level("A"), (5, 0));
}

#[test]
fn lines_that_repeat_a_product_are_added_up() {
    let mut stock = Warehouse::of(&[("A", 5)]);
    let told = stock.hears_twice(order(1), Cause::Created(&lines(&[("A", 2), ("A", 3)])));
    assert_eq!(told, Some(reserved(order(1), &[("A", 5)])));
    stock.hears_twice(order(1), Cause::Ended);
    let told = stock.hears_twice(order(2), Cause::Created(&lines(&[("A", 3), ("A", 3)])));
    assert_eq!(told, Some(out_of_stock(order(2), "A")));
}

#[test]
fn a_sum_beyond_all_numbers_is_out_of_stock() {
    let mut stock = Warehouse::of(&[("A", u32::MAX)]);
    let items = lines(&[("A", u32::MAX), ("A", 1), ("A", 1)]);
    assert_eq!(
        stock.hears_twice(order(1), Cause::Created(&items)),
        Some(out_of_stock(order(1), "A"))
    );
    let items = lines(&[("A", 1000); 100]);
    assert_eq!(
        stock.hears_twice(order(2), Cause::Created(&items)),
        Some(reserved(order(2), &[("A", 100_000)]))
    );
}

#[test]
fn an_order_that_ended_before_it_was_heard_of_reserves_nothing() {
    for end in [Cause::Ended, Cause::Completed] {
        let mut stock = Warehouse::of(&[("A", 5)]);
        assert_eq!(stock.hears_twice(order(1), end), None);
        assert_eq!(stock.hears_twice(order(1), Cause::Created(&lines(&[("A", 1)]))), None);
        assert_eq!(stock.level("A"), (5, 0));
    }
}

#[test]
fn late_events_change_nothing() {
    let created = lines(&[("A", 2)]);
    let all = [Cause::Created(&created), Cause::Ended, Cause::Completed];
    for end in [Cause::Ended, Cause::Completed] {
        let mut stock = Warehouse::of(&[("A", 5)]);
        stock.hears(order(1), Cause::Created(&created));
        stock.hears(order(1), end);
        let ended = stock.clone();
        for late in all {
            assert_eq!(stock.hears(order(1), late), None);
            assert_eq!(stock, ended, "{late:?} after {end:?}");
        }
    }
    let mut stock = Warehouse::of(&[("A", 1)]);
    stock.hears(order(1), Cause::Created(&created));
    let rejected = stock.clone();
    for late in all {
        assert_eq!(stock.hears(order(1), late), None);
        assert_eq!(stock, rejected, "{late:?} after it was rejected");
    }
}

#[test]
fn what_was_released_can_be_reserved_again() {
    let mut stock = Warehouse::of(&[("A", 1)]);
    let one = lines(&[("A", 1)]);
    stock.hears(order(1), Cause::Created(&one));
    assert_eq!(stock.hears(order(2), Cause::Created(&one)), Some(out_of_stock(order(2), "A")));
    stock.hears(order(1), Cause::Ended);
    assert_eq!(stock.hears(order(3), Cause::Created(&one)), Some(reserved(order(3), &[("A", 1)])));
}

#[test]
fn a_reservation_that_the_stock_does_not_know_is_an_error() {
    let held = Reservation { status: Status::Reserved, lines: BTreeMap::from([(sku("A"), 2)]) };
    let expected = Inconsistent { order: order(1), sku: sku("A"), qty: 2 };
    let few = BTreeMap::from([(sku("A"), Level::new(5, 1).unwrap())]);
    for levels in [BTreeMap::new(), few] {
        for cause in [Cause::Ended, Cause::Completed] {
            let decided = decide(order(1), Some(&held), cause, &levels, now(), trace_id());
            assert_eq!(decided, Err(expected.clone()));
        }
    }
}

const SKUS: [&str; 3] = ["A", "B", "C"];

#[derive(Debug, Clone, Copy)]
enum What {
    Created,
    Ended,
    Completed,
}

/// What is on hand, what is ordered, and what is heard of which order.
type Story = (Vec<u32>, Vec<Vec<Line>>, Vec<(usize, What)>);

/// Some orders, and what is heard of them in any order, with repeats.
fn stories() -> impl Strategy<Value = Story> {
    let stock = prop::collection::vec(0..40_u32, SKUS.len());
    let line = (0..SKUS.len(), 1..8_u32).prop_map(|(n, qty)| Line { sku: sku(SKUS[n]), qty });
    let orders = prop::collection::vec(prop::collection::vec(line, 1..5), 1..10);
    (stock, orders).prop_flat_map(|(stock, orders)| {
        let what = prop_oneof![
            3 => Just(What::Created),
            1 => Just(What::Ended),
            1 => Just(What::Completed),
        ];
        let heard = prop::collection::vec((0..orders.len(), what), 0..80);
        (Just(stock), Just(orders), heard)
    })
}

proptest! {
    #[test]
    fn stock_adds_up_whatever_is_heard((initial, orders, heard) in stories()) {
        let named: Vec<_> = SKUS.iter().copied().zip(initial.iter().copied()).collect();
        let mut stock = Warehouse::of(&named);
        let cause = |n: usize, what| match what {
            What::Created => Cause::Created(&orders[n]),
            What::Ended => Cause::Ended,
            What::Completed => Cause::Completed,
        };
        for &(n, what) in &heard {
            let (id, before) = (order(n as u128), stock.clone());
            stock.hears(id, cause(n, what));
            for (&text, &on_hand) in SKUS.iter().zip(&initial) {
                let sku = sku(text);
                let now = stock.level(text);
                prop_assert_eq!(now.1, stock.held(Status::Reserved, &sku), "reserved {}", text);
                prop_assert_eq!(now.0, on_hand - stock.held(Status::Deducted, &sku), "{}", text);
            }
            let mut wanted: BTreeMap<Sku, u32> = BTreeMap::new();
            for line in &orders[n] {
                *wanted.entry(line.sku.clone()).or_default() += line.qty;
            }
            let after = &stock.reservations[&id];
            prop_assert!(after.lines.is_empty() || after.lines == wanted, "all or none");
            let enough = wanted.iter().all(|(sku, &qty)| before.levels[sku].available() >= qty);
            match (before.reservations.get(&id), what) {
                (None, What::Created) => {
                    let expected = if enough { Status::Reserved } else { Status::Rejected };
                    prop_assert_eq!(after.status, expected);
                }
                (Some(Reservation { status: Status::Reserved, .. }) | None, _) => {}
                (Some(last), _) => prop_assert_eq!(after, last, "an end is final"),
            }
        }
        // All of it again, as when the topics are read from their beginning.
        let last = stock.clone();
        for (n, what) in heard {
            prop_assert_eq!(stock.hears(order(n as u128), cause(n, what)), None);
        }
        prop_assert_eq!(stock, last);
    }
}
