use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use ::inventory::changes::{Happened, changes};
use ::inventory::reservation::{Cause, Reservation};
use ::inventory::stock::Stock;
use contracts::events::Event;
use contracts::ids::{OrderId, Sku};
use contracts::trace::TraceContext;

use super::Tx;
use crate::topics::Record;

/// What inventory has stored.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Inventory {
    /// What is decided about each order.
    pub reservations: BTreeMap<OrderId, Reservation>,
    /// The stock of each product.
    pub stock: BTreeMap<Sku, Stock>,
    pub(super) keys: BTreeSet<String>,
}

impl Inventory {
    pub(super) fn handle(&mut self, batch: &[Rc<Record>], tx: &mut Tx) -> Result<(), String> {
        let mut happened = Vec::new();
        for record in batch {
            match &record.event {
                Event::SigningKeyPublished(key) => {
                    self.keys.insert(key.key_id.clone());
                }
                Event::ProductCreated(created) => self.add(&created.sku, record.trace, tx),
                event => {
                    let trace = record.trace;
                    let cause = Cause::of(event);
                    happened.extend(cause.map(|(order, cause)| Happened { order, cause, trace }));
                }
            }
        }
        let known = happened.iter().filter_map(|happened| {
            let order = happened.order;
            Some((order, self.reservations.get(&order)?.clone()))
        });
        let changes = changes(&happened, known.collect(), &self.stock, tx.now)
            .map_err(|error| error.to_string())?;
        for (order, held) in changes.begun.into_iter().chain(changes.moved) {
            self.reservations.insert(order, held);
        }
        self.stock.extend(changes.stock);
        tx.events.extend(changes.events);
        Ok(())
    }

    /// As `store::add_stock` does.
    fn add(&mut self, sku: &Sku, trace: TraceContext, tx: &mut Tx) {
        if !self.stock.contains_key(sku) {
            self.stock.insert(sku.clone(), Stock::NEW);
            tx.publish(Stock::NEW.told(sku.clone(), tx.now, trace.trace_id), trace);
        }
    }

    /// The admin sets how many pieces there are, to so many more.
    pub fn restock(&mut self, sku: &Sku, pieces: u32, trace: TraceContext, tx: &mut Tx) {
        let Some(stock) = self.stock.get_mut(sku) else { return };
        let Some(level) = stock.level.recount(stock.level.on_hand() + pieces) else { return };
        let after = stock.changed_to(level);
        if after != *stock {
            *stock = after;
            tx.publish(after.told(sku.clone(), tx.now, trace.trace_id), trace);
        }
    }
}
