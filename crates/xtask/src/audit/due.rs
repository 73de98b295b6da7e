//! What there must be events of. Pure.

use std::collections::BTreeSet;

use contracts::events::{EventType, Line};
use contracts::ids::{OrderId, Sku};

use super::facts::{
    Fact, IN_TIME, OUT_OF_STOCK, changed, kept_price, key_until, level, lines, paid, placed,
    product, product_at,
};
use super::kept::{Change, Kept, Order, Payment, Product, Reservation};

/// What is to be told of all that is kept.
#[derive(Debug, Default)]
pub struct Due {
    /// Each once.
    pub must: BTreeSet<Fact>,
    /// Each once at the most: what happened leaves no trace of whether they were.
    pub may: BTreeSet<Fact>,
}

impl Due {
    /// Of all that is kept.
    pub fn of(kept: &Kept) -> Self {
        let mut due = Self::default();
        for (id, user) in &kept.users {
            due.must(EventType::UserRegistered, id, user.role.clone());
        }
        for (id, key) in &kept.signing_keys {
            due.must(
                EventType::SigningKeyPublished,
                id,
                key_until(&key.public_key, Some(&key.expires_at)),
            );
            due.may(EventType::SigningKeyPublished, id, key_until(&key.public_key, None));
        }
        for (sku, product) in &kept.products {
            due.product(sku, product);
        }
        for (sku, stock) in &kept.stock {
            for version in 1..stock.version {
                due.must(EventType::StockChanged, sku, format!("version {version}"));
            }
            due.must(EventType::StockChanged, sku, level(stock));
        }
        for (id, order) in &kept.orders {
            due.order(id, order);
        }
        for (id, reservation) in &kept.reservations {
            due.reservation(id, reservation);
        }
        for (id, payment) in &kept.payments {
            due.payment(id, payment);
        }
        due
    }

    fn must(&mut self, event: EventType, key: &impl ToString, what: String) {
        self.must.insert(Fact { event, key: key.to_string(), what });
    }

    fn may(&mut self, event: EventType, key: &impl ToString, what: String) {
        self.may.insert(Fact { event, key: key.to_string(), what });
    }

    fn product(&mut self, sku: &Sku, product: &Product) {
        for version in 1..=product.version {
            let event = match version {
                1 => EventType::ProductCreated,
                last if last == product.version && product.is_discontinued => {
                    EventType::ProductDiscontinued
                }
                _ => EventType::ProductUpdated,
            };
            let is_last = version == product.version && !product.is_discontinued;
            self.must(event, sku, product_at(version, is_last.then(|| described(product))));
        }
    }

    fn order(&mut self, id: &OrderId, order: &Order) {
        let Order { customer, lines: items, total, .. } = order;
        let price = kept_price(*total);
        let times = (order.created_at, order.expires_at);
        let method = order.payment_method.as_deref();
        self.must(
            EventType::OrderCreated,
            id,
            placed(customer, &lines(items), &price, method, times),
        );
        for change in order.history.iter().filter(|change| change.version > 1) {
            let (event, paid) = match change.step.as_str() {
                "COMPLETED" => (EventType::OrderCompleted, Some(&price)),
                "FAILED" => (EventType::OrderFailed, None),
                "CANCELLED" => (EventType::OrderCancelled, None),
                _ => (EventType::OrderUpdated, None),
            };
            let Change { step, reason, recorded_at, .. } = change;
            let what = reason.as_ref().or(paid).unwrap_or(step);
            let what = changed(Some(change.version), Some(customer), Some(recorded_at), what);
            self.must(event, id, what);
        }
        let has_expired = order.history.iter().any(|change| change.cause == "ExpirationCompleted");
        let told = if has_expired { Self::must } else { Self::may };
        told(self, EventType::ExpirationCompleted, id, IN_TIME.to_owned());
    }

    fn reservation(&mut self, id: &OrderId, Reservation { status, lines: held }: &Reservation) {
        let held: Vec<Line> =
            held.iter().map(|(sku, qty)| Line { sku: sku.clone(), qty: *qty }).collect();
        if !held.is_empty() {
            self.must(EventType::InventoryReserved, id, lines(&held));
        }
        match status.as_str() {
            "REJECTED" => {
                self.must(EventType::InventoryReservationFailed, id, OUT_OF_STOCK.to_owned());
            }
            "RELEASED" if !held.is_empty() => {
                self.must(EventType::InventoryReleased, id, lines(&held));
            }
            _ => {}
        }
    }

    fn payment(&mut self, id: &OrderId, payment: &Payment) {
        let Some(amount) = payment.amount else { return };
        let paid = paid(payment.id, &kept_price(amount));
        match payment.state.as_str() {
            "AUTHORIZED" | "CAPTURING" => self.must(EventType::PaymentAuthorized, id, paid),
            "CAPTURED" | "REFUNDING" | "REFUNDED" => {
                self.must(EventType::PaymentAuthorized, id, paid.clone());
                self.must(EventType::PaymentCaptured, id, paid.clone());
                if payment.state == "REFUNDED" {
                    self.must(EventType::PaymentRefunded, id, paid);
                }
            }
            // An authorisation that comes after the order was given up is not told.
            "VOIDING" => self.may(EventType::PaymentAuthorized, id, paid),
            "VOIDED" => {
                self.may(EventType::PaymentAuthorized, id, paid.clone());
                self.must(EventType::PaymentVoided, id, paid);
            }
            "FAILED" => {
                let why = payment.failure.as_deref().unwrap_or_default();
                self.must(EventType::PaymentFailed, id, format!("{}, {why}", payment.id));
            }
            _ => {}
        }
    }
}

fn described(is: &Product) -> String {
    product(&is.name, &kept_price(is.price))
}
