//! What comes from outside the saga: keys, users, the catalogue, the warehouse.

use contracts::events::{
    Event, ProductCreated, ProductDiscontinued, ProductUpdated, PublicKey, Role, SigningAlgorithm,
    SigningKeyPublished, UserRegistered,
};
use contracts::ids::{CustomerId, Sku};
use contracts::money::{Currency, Money};
use contracts::trace::TraceContext;
use uuid::Uuid;

use super::World;
use crate::services::Service;

/// The signing key that auth publishes.
pub const KEY: &str = "key-1";

/// The trace of everything from outside.
pub(super) fn trace() -> TraceContext {
    TraceContext::new([9; 16], [9; 8])
}

impl World<'_> {
    /// Publishes what the shop needs. If it opens first, all of it arrives before anybody orders.
    pub(super) fn open(&mut self) -> Result<(), String> {
        self.publish_key();
        // Two customers share the orders.
        for number in 0..self.plan.orders.len().min(2) {
            self.register(number)?;
        }
        for product in 0..self.plan.stock.len() {
            let sku: Sku = format!("SKU-{product}").parse().map_err(|_| "no SKU".to_owned())?;
            self.skus.push(sku.clone());
            self.outside.push_back(self.created(sku, product));
        }
        if self.plan.opens_first {
            (self.opening, self.plain) = (true, true);
            self.come_to_rest()?;
            (self.opening, self.plain) = (false, false);
        }
        self.stocking.extend(self.plan.restock.iter().copied());
        if let Some(product) = self.plan.repriced {
            self.outside.push_back(self.updated(self.skus[product].clone()));
        }
        if let Some(product) = self.plan.discontinued {
            self.outside.push_back(self.discontinued(self.skus[product].clone()));
        }
        Ok(())
    }

    fn publish_key(&mut self) {
        let key = SigningKeyPublished {
            key_id: KEY.to_owned(),
            algorithm: SigningAlgorithm::EdDsa,
            public_key: PublicKey::from_bytes(&[7; 32]),
            not_before: self.time,
            expires_at: self.time + chrono::TimeDelta::days(30),
            published_at: self.time,
            trace_id: trace().trace_id,
        };
        self.outside.push_back(key.into());
    }

    fn register(&mut self, number: usize) -> Result<(), String> {
        let user_id = CustomerId::from_uuid(Uuid::from_u128(u128::MAX - number as u128));
        self.customers.push(user_id);
        let user = UserRegistered {
            user_id,
            email: "somebody@example.org".parse().map_err(|_| "no address".to_owned())?,
            role: Role::Customer,
            registered_at: self.time,
            trace_id: trace().trace_id,
        };
        self.outside.push_back(user.into());
        Ok(())
    }

    fn created(&self, sku: Sku, product: usize) -> Event {
        let price = Money {
            minor: 100 * (1 + i64::try_from(product).unwrap_or(0)),
            currency: Currency::INR,
        };
        ProductCreated {
            sku,
            name: "A product".to_owned(),
            price: price.amount(),
            currency: price.currency,
            version: 1,
            created_at: self.time,
            trace_id: trace().trace_id,
        }
        .into()
    }

    fn updated(&self, sku: Sku) -> Event {
        let price = Money { minor: 777, currency: Currency::INR };
        ProductUpdated {
            sku,
            name: "A product".to_owned(),
            price: price.amount(),
            currency: price.currency,
            version: 2,
            updated_at: self.time,
            trace_id: trace().trace_id,
        }
        .into()
    }

    fn discontinued(&self, sku: Sku) -> Event {
        let (discontinued_at, trace_id) = (self.time, trace().trace_id);
        ProductDiscontinued { sku, version: 3, discontinued_at, trace_id }.into()
    }

    /// The next event from outside is on its topic.
    pub(super) fn outside(&mut self) {
        if let Some(event) = self.outside.pop_front() {
            let record = self.record(event, trace());
            self.note(|_| format!("from outside: {}", record.event_type));
            self.topics.publish(record);
        }
    }

    /// The admin adds pieces of a product.
    pub(super) fn stock(&mut self, index: usize) -> Result<(), String> {
        let (product, pieces) = self.stocking.remove(index);
        self.note(|world| format!("{pieces} pieces of {} come in", world.skus[product]));
        let sku = self.skus[product].clone();
        self.stocked[product] += pieces;
        self.transact(Service::Inventory, None, |states, tx| {
            states.inventory.restock(&sku, pieces, trace(), tx);
            Ok(())
        })?;
        Ok(())
    }
}
