//! What must hold, whatever happened.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::rc::Rc;

use ::notification::notice::Kind;
use ::orders::order::{Order, State};
use ::orders::placement::PlacedOrder;
use ::payments::payment::State as Payment;
use contracts::events::{CancelReason, Event, EventType, OrderStatus};
use contracts::ids::OrderId;

use crate::services::Service;
use crate::topics::Record;
use crate::world::{KEY, Placement, World};

/// The events that end an order.
const ENDS: [EventType; 3] =
    [EventType::OrderCompleted, EventType::OrderFailed, EventType::OrderCancelled];

/// Whether something is as it must be; if not, says what is not.
fn expect<T: PartialEq + Debug + Copy>(what: &str, is: T, must_be: T) -> Result<(), String> {
    if is == must_be { Ok(()) } else { Err(format!("{what}: {is:?}, not {must_be:?}")) }
}

/// An order that has ended stays as it ended. Checked after each transaction of orders.
pub fn ends_stay(world: &mut World) -> Result<bool, String> {
    for (id, PlacedOrder { order, .. }) in &world.states.orders.orders {
        match world.ends.get(id) {
            Some(end) => expect("an order that had ended", order.state, *end)?,
            None if is_open(order) => {}
            None => {
                world.ends.insert(*id, order.state);
            }
        }
    }
    Ok(true)
}

fn is_open(order: &Order) -> bool {
    order.state.status() == OrderStatus::Pending
}

/// Nobody waits for what was there. Checked after each batch.
pub fn heeded(world: &mut World, service: Service, batch: &[Rc<Record>]) -> Result<(), String> {
    for record in batch {
        let Some(id) = record.order else { continue };
        world.heard.insert((service, id, record.event_type));
        let heard = |event_type| world.heard.contains(&(service, id, event_type));
        match service {
            Service::Orders => {
                let given_up = heard(EventType::ExpirationCompleted)
                    || heard(EventType::InventoryReservationFailed)
                    || heard(EventType::PaymentFailed);
                let done =
                    heard(EventType::InventoryReserved) && heard(EventType::PaymentAuthorized);
                let order = world.states.orders.orders.get(&id);
                let open = order.is_some_and(|placed| is_open(&placed.order));
                expect("open although it is decided", open && (given_up || done), false)?;
            }
            Service::Payments => {
                let Some(payment) = world.states.payments.payments.get(&id) else { continue };
                let payable = payment.method.is_some()
                    && heard(EventType::OrderCreated)
                    && heard(EventType::InventoryReserved);
                let waits = payment.state == Payment::Awaiting;
                let ended = ENDS.iter().any(|end| heard(*end));
                expect("waits although it could go on", waits && (payable || ended), false)?;
            }
            _ => {}
        }
    }
    Ok(())
}

/// The timer of an order that expiration knows to have ended is closed.
pub fn may_fire(world: &World, order: OrderId) -> Result<(), String> {
    let heard = |end: &EventType| world.heard.contains(&(Service::Expiration, order, *end));
    expect("the timer of an ended order fires", ENDS.iter().any(heard), false)
}

/// All that must hold when there is nothing left to do.
pub fn at_rest(world: &World) -> Result<(), String> {
    expect("everything is published and answered", world.is_quiet(), true)?;
    let mut told: BTreeMap<&str, Vec<&Record>> = BTreeMap::new();
    for record in &world.told {
        told.entry(&record.key).or_default().push(record);
    }
    for (number, placement) in world.placements.iter().enumerate() {
        let order = match placement {
            Placement::Waiting if world.has_condition(number) => continue,
            Placement::Waiting => Err("was never placed".to_owned()),
            Placement::Refused => continue,
            Placement::Placed(id) => {
                let told = told.remove(id.to_string().as_str()).unwrap_or_default();
                order(world, *id, &told)
            }
        };
        order.map_err(|error| format!("order {number}: {error}"))?;
    }
    stock(world, &told)?;
    everybody_knows(world)
}

fn order(world: &World, id: OrderId, told: &[&Record]) -> Result<(), String> {
    let placed = world.states.orders.orders.get(&id).ok_or("is not stored")?;
    let order = &placed.order;
    expect("it is open", is_open(order), false)?;
    let count = |event_type| told.iter().filter(|told| told.event_type == event_type).count();

    end_is_told(order, told)?;
    let completed = order.state == State::Completed;
    let once = usize::from(completed);

    let account = world.bank.account(id);
    expect("held at the provider", account.held, 0)?;
    expect("taken", account.taken, if completed { order.total.minor } else { 0 })?;
    expect("captures", account.captures, u32::from(completed))?;
    expect("refunds", account.refunds, 0)?;
    expect("PaymentCaptured", count(EventType::PaymentCaptured), once)?;
    let (authorized, voided) =
        (count(EventType::PaymentAuthorized), count(EventType::PaymentVoided));
    expect("authorised and neither captured nor voided", authorized > once + voided, false)?;
    expect("PaymentAuthorized", authorized <= 1 && voided <= 1, true)?;
    let payment = world.states.payments.payments.get(&id).ok_or("has no payment")?;
    expect("something is to be asked of the provider", payment.due_at, None)?;
    let is_final = match payment.state {
        Payment::Captured => completed,
        Payment::Failed | Payment::Voided | Payment::Cancelled => !completed,
        _ => false,
    };
    expect(&format!("{:?} is how its payment ends", payment.state), is_final, true)?;

    let reserved = count(EventType::InventoryReserved);
    expect("InventoryReserved", reserved <= 1 && reserved >= once, true)?;
    expect("InventoryReleased", count(EventType::InventoryReleased), reserved - once)?;

    expect("the timer", world.states.expiration.fires_at(id), None)?;
    let expired = count(EventType::ExpirationCompleted);
    expect("ExpirationCompleted", expired <= 1, true)?;
    notifications(world, order)
}

/// Exactly one event tells how an order ended; it is orders' last, and what is stored.
fn end_is_told(order: &Order, told: &[&Record]) -> Result<(), String> {
    let (mut version, mut last) = (0, None);
    let mut ends = Vec::new();
    for record in told {
        let (state, of, at) = match &record.event {
            Event::OrderCreated(event) => (None, Some(1), Some(event.created_at)),
            Event::OrderUpdated(event) => (None, Some(event.version), Some(event.updated_at)),
            Event::OrderCompleted(event) => {
                (Some(State::Completed), event.version, event.completed_at)
            }
            Event::OrderFailed(event) => {
                (Some(State::Failed(event.reason)), event.version, event.failed_at)
            }
            Event::OrderCancelled(event) => {
                (Some(State::Cancelled(event.reason)), event.version, event.cancelled_at)
            }
            _ => continue,
        };
        version += 1;
        expect("the version of an event of orders", of, Some(version))?;
        expect("its time is before the one before", at < last, false)?;
        last = at;
        ends.extend(state);
    }
    expect("the version", order.version, version)?;
    expect("the ends that were told", ends.as_slice(), &[order.state])
}

fn notifications(world: &World, order: &Order) -> Result<(), String> {
    let end = match order.state {
        State::Completed => Kind::Completed,
        State::Failed(_) => Kind::Failed,
        State::Cancelled(CancelReason::Customer) => Kind::Cancelled,
        _ => Kind::Expired,
    };
    let mut mails: Vec<_> =
        world.mails.iter().filter(|mail| mail.0 == order.id).map(|mail| (mail.1, mail.2)).collect();
    // The same mail under the same id is no second one: receivers drop it.
    mails.sort_unstable();
    mails.dedup();
    let kinds: Vec<Kind> = mails.into_iter().map(|mail| mail.0).collect();
    expect("what the customer was told", kinds.as_slice(), &[Kind::Received, end])
}

/// Nothing is reserved, and what is gone was sold; what was told of it last is so.
fn stock(world: &World, told: &BTreeMap<&str, Vec<&Record>>) -> Result<(), String> {
    for (product, sku) in world.skus.iter().enumerate() {
        let completed =
            world.states.orders.orders.values().filter(|o| o.order.state == State::Completed);
        let lines = completed.flat_map(|order| &order.lines).filter(|line| line.sku == *sku);
        let sold: u32 = lines.map(|line| line.qty).sum();
        let stock = world.states.inventory.stock.get(sku).ok_or("a product has no stock")?;
        expect("reserved", stock.level.reserved(), 0)?;
        expect("on hand and sold", stock.level.on_hand() + sold, world.stocked[product])?;
        let last = told.get(sku.as_str()).and_then(|told| told.last());
        let Some(Event::StockChanged(last)) = last.map(|record| &record.event) else {
            return Err("no stock was told".to_owned());
        };
        let level = (stock.level.on_hand(), stock.level.reserved(), stock.version);
        expect("the stock told last", (last.on_hand, last.reserved, last.version), level)?;
    }
    Ok(())
}

/// Keys, addresses and prices are where they are needed.
fn everybody_knows(world: &World) -> Result<(), String> {
    for service in Service::ALL {
        expect("knows the key", world.states.knows_key(service, KEY).unwrap_or(true), true)?;
    }
    for customer in &world.customers {
        let known = world.states.notification.recipients.contains(customer);
        expect("the customer's address is known", known, true)?;
    }
    for (product, sku) in world.skus.iter().enumerate() {
        let version = if world.plan.discontinued == Some(product) {
            3
        } else if world.plan.repriced == Some(product) {
            2
        } else {
            1
        };
        let known = world.states.orders.prices.get(sku).map(|known| (known.version, known.active));
        expect("the price that orders knows", known, Some((version, version < 3)))?;
    }
    Ok(())
}
