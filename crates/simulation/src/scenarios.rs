//! Courses that an order can take, each by itself, to try every fault at every step of it.

use contracts::events::EventType;
use payments::sandbox;

use crate::plan::{OrderPlan, Plan, When, Wish};

/// A course with a name.
#[derive(Debug, Clone)]
pub struct Scenario {
    /// What it is about.
    pub name: String,
    /// What comes from outside.
    pub plan: Plan,
    /// How its orders end if nothing goes wrong.
    pub ends: &'static [End],
}

/// How an order ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// Completed.
    Completed,
    /// Failed for want of stock.
    OutOfStock,
    /// Failed for want of money.
    PaymentFailed,
    /// Cancelled by the customer.
    Cancelled,
    /// Cancelled by its timer.
    Expired,
    /// Not placed.
    Refused,
}

fn scenario(name: &str, ends: &'static [End], change: impl FnOnce(&mut Plan)) -> Scenario {
    let mut plan = Plan::plain();
    change(&mut plan);
    Scenario { name: name.to_owned(), plan, ends }
}

fn wish(plan: &mut Plan, when: When, wish: Wish) {
    plan.orders[0].wishes.push((when, wish));
}

/// All of them. Together they reach every step there is; a test holds that.
pub fn all() -> Vec<Scenario> {
    let mut all = vec![
        scenario("completes", &[End::Completed], |_| {}),
        scenario("is declined", &[End::PaymentFailed], |plan| {
            plan.orders[0].method = Some(sandbox::DECLINED);
        }),
        scenario("is out of stock", &[End::OutOfStock], |plan| plan.stock = vec![0]),
        scenario("is paid later", &[End::Completed], |plan| {
            plan.orders[0].method = None;
            wish(plan, When::Any, Wish::Pay(sandbox::OK));
            wish(plan, When::Any, Wish::Pay(sandbox::TIMEOUT));
        }),
        scenario("is paid later and declined", &[End::PaymentFailed], |plan| {
            plan.orders[0].method = None;
            let reserved = When::Told(EventType::InventoryReserved);
            wish(plan, reserved, Wish::Pay(sandbox::DECLINED));
            wish(plan, When::Told(EventType::PaymentFailed), Wish::Pay(sandbox::OK));
        }),
        scenario("is never paid", &[End::Expired], |plan| plan.orders[0].method = None),
        scenario("is paid with answers lost", &[End::Completed], |plan| {
            plan.orders[0].method = Some(sandbox::TIMEOUT);
        }),
        scenario("takes the last piece", &[End::Completed, End::OutOfStock], |plan| {
            plan.stock = vec![1];
            plan.orders.push(OrderPlan::plain());
        }),
        scenario("takes what another gave up", &[End::Cancelled, End::Completed], |plan| {
            plan.stock = vec![1];
            plan.orders[0].method = None;
            wish(plan, When::Told(EventType::InventoryReserved), Wish::Cancel);
            let released = When::Told(EventType::InventoryReleased);
            plan.orders.push(OrderPlan { placed: released, ..OrderPlan::plain() });
        }),
        scenario("has two products, one of them short", &[End::OutOfStock], |plan| {
            plan.stock = vec![5, 1];
            plan.orders[0].lines = vec![(0, 1), (1, 1), (0, 2), (1, 1)];
        }),
        scenario("meets a catalogue that changes", &[End::Completed, End::Refused], |plan| {
            plan.repriced = Some(0);
            plan.discontinued = Some(0);
            plan.restock = vec![(0, 3)];
            let completed = When::Told(EventType::OrderCompleted);
            plan.orders.push(OrderPlan { placed: completed, ..OrderPlan::plain() });
        }),
        scenario("is cancelled although answers are lost", &[End::Cancelled], |plan| {
            plan.orders[0].method = Some(sandbox::TIMEOUT);
            wish(plan, When::Told(EventType::PaymentAuthorized), Wish::Cancel);
        }),
    ];
    all.extend(races());
    all
}

/// The customer, or the timer, against everybody else at each point of the way.
fn races() -> Vec<Scenario> {
    let reserved = When::Told(EventType::InventoryReserved);
    let authorized = When::Told(EventType::PaymentAuthorized);
    let completed = When::Told(EventType::OrderCompleted);
    // Orders hears of the timer behind what it hears of before; its customer it hears at once.
    let points: [(_, _, &[End], &[End]); 5] = [
        ("once placed", When::Any, &[End::Cancelled], &[End::Expired]),
        ("once reserved", reserved, &[End::Cancelled], &[End::Expired]),
        ("while the provider is asked", When::Asked, &[End::Cancelled], &[End::Expired]),
        ("once authorised", authorized, &[End::Cancelled], &[End::Completed]),
        ("once completed", completed, &[End::Completed], &[End::Completed]),
    ];
    let mut races = Vec::new();
    for (point, when, cancelled, expired) in points {
        races.push(scenario(&format!("is cancelled {point}"), cancelled, |plan| {
            wish(plan, when, Wish::Cancel);
        }));
        races.push(scenario(&format!("expires {point}"), expired, |plan| {
            wish(plan, when, Wish::TimerEarly);
        }));
    }
    races
}
