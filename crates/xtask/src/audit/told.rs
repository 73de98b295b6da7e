//! What events tell. Pure.

use contracts::events::Event;
use contracts::ids::Sku;

use super::facts::{
    Fact, IN_TIME, changed, key_until, level, lines, or_nothing, paid, placed, price, product,
    product_at, time,
};
use super::kept::{Kept, Stock};

/// What an event tells. Where only the last of several can be compared with what is kept, the others are told
/// by their version alone.
pub fn fact(event: &Event, kept: &Kept) -> Fact {
    let what = match event {
        Event::UserRegistered(e) => match kept.users.get(&e.user_id) {
            Some(user) if user.email == e.email.as_str() => e.role.to_string(),
            _ => format!("{} at another address", e.role),
        },
        Event::SigningKeyPublished(e) => {
            let last = kept.signing_keys.get(&e.key_id).map(|key| &key.expires_at);
            key_until(e.public_key.as_str(), last.filter(|last| **last == e.expires_at))
        }
        Event::ProductCreated(e) => {
            let is_last = is_last(kept, &e.sku, e.version);
            product_at(e.version, is_last.then(|| product(&e.name, &price(e.price, e.currency))))
        }
        Event::ProductUpdated(e) => {
            let is_last = is_last(kept, &e.sku, e.version);
            product_at(e.version, is_last.then(|| product(&e.name, &price(e.price, e.currency))))
        }
        Event::ProductDiscontinued(e) => product_at(e.version, None),
        Event::StockChanged(e) => {
            let stock = Stock { on_hand: e.on_hand, reserved: e.reserved, version: e.version };
            if e.reserved > e.on_hand || e.available != e.on_hand - e.reserved {
                format!("version {}, which does not add up", e.version)
            } else if kept.stock.get(&e.sku).is_some_and(|last| last.version == e.version) {
                level(&stock)
            } else {
                format!("version {}", e.version)
            }
        }
        Event::OrderCreated(e) => {
            let price = price(e.total, e.currency);
            let (method, times) = (e.payment_method.as_deref(), (e.created_at, e.expires_at));
            placed(&e.customer_id, &lines(&e.items), &price, method, times)
        }
        Event::OrderUpdated(e) => {
            let (version, customer) = (Some(e.version), Some(&e.customer_id));
            let is_open = e.status.as_str() == "PENDING";
            let step = if is_open { e.step.as_str() } else { "not open" };
            changed(version, customer, Some(&e.updated_at), step)
        }
        Event::OrderCancelled(e) => {
            changed(e.version, e.customer_id.as_ref(), e.cancelled_at.as_ref(), e.reason.as_str())
        }
        Event::OrderFailed(e) => {
            changed(e.version, e.customer_id.as_ref(), e.failed_at.as_ref(), e.reason.as_str())
        }
        Event::OrderCompleted(e) => {
            let price = e.total.zip(e.currency).map(|(total, currency)| price(total, currency));
            let price = or_nothing(price.as_ref());
            changed(e.version, e.customer_id.as_ref(), e.completed_at.as_ref(), &price)
        }
        Event::InventoryReserved(e) => lines(&e.reservations),
        Event::InventoryReleased(e) => lines(&e.reservations),
        Event::InventoryReservationFailed(e) => e.reason.to_string(),
        Event::PaymentAuthorized(e) => paid(e.payment_id, &price(e.amount, e.currency)),
        Event::PaymentCaptured(e) => paid(e.payment_id, &price(e.amount, e.currency)),
        Event::PaymentVoided(e) => paid(e.payment_id, &price(e.amount, e.currency)),
        Event::PaymentRefunded(e) => paid(e.payment_id, &price(e.amount, e.currency)),
        Event::PaymentFailed(e) => format!("{}, {}", or_nothing(e.payment_id.as_ref()), e.reason),
        Event::ExpirationCompleted(e) => match kept.orders.get(&e.order_id) {
            Some(order) if order.expires_at <= e.expired_at => IN_TIME.to_owned(),
            _ => format!("at {}, before its time", time(&e.expired_at)),
        },
    };
    Fact { event: event.event_type(), key: event.key(), what }
}

fn is_last(kept: &Kept, sku: &Sku, version: u64) -> bool {
    kept.products.get(sku).is_some_and(|last| last.version == version && !last.is_discontinued)
}
