use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use ::orders::news::{self, News};
use ::orders::order::{Cause, decide};
use ::orders::placement::{NewOrder, PlacedOrder};
use ::orders::quote::{Price, Refusal, quote};
use chrono::TimeDelta;
use contracts::events::{Event, Line};
use contracts::ids::{CustomerId, OrderId, Sku};
use contracts::money::Money;
use contracts::trace::TraceContext;

use super::Tx;
use crate::topics::Record;

/// How long an order may stay open.
pub const EXPIRY: TimeDelta = TimeDelta::seconds(900);

/// What orders has stored.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Orders {
    /// Every order that was placed.
    pub orders: BTreeMap<OrderId, PlacedOrder>,
    /// The latest that is known of each product.
    pub prices: BTreeMap<Sku, Known>,
    pub(super) keys: BTreeSet<String>,
}

/// A row of the table of prices.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Known {
    /// The product's version.
    pub version: u64,
    /// The last price, if there ever was one.
    pub each: Option<Money>,
    /// Whether it can be ordered.
    pub active: bool,
}

impl Orders {
    pub(super) fn handle(&mut self, batch: &[Rc<Record>], tx: &mut Tx) -> Result<(), String> {
        for record in batch {
            if let Event::SigningKeyPublished(key) = &record.event {
                self.keys.insert(key.key_id.clone());
            }
        }
        let latest = news::latest(batch.iter().map(|record| &record.event));
        for (sku, news) in latest.map_err(|error| error.to_string())? {
            self.keep(sku, news);
        }
        for record in batch {
            let Some((id, cause)) = Cause::of(&record.event) else { continue };
            let placed = self.orders.get_mut(&id).ok_or("an order that was never placed")?;
            let (order, news) = decide(placed.order, cause, tx.now, record.trace.trace_id);
            placed.order = order;
            if let Some(news) = news {
                tx.publish(news, record.trace);
            }
        }
        Ok(())
    }

    /// As `prices::keep` does.
    fn keep(&mut self, sku: &Sku, news: News) {
        let known = self.prices.get(sku).copied();
        if known.is_none_or(|known| known.version < news.version) {
            let each = news.price.or(known.and_then(|known| known.each));
            let known = Known { version: news.version, each, active: news.price.is_some() };
            self.prices.insert(sku.clone(), known);
        }
    }

    /// Whether the prices of these products are known.
    pub fn can_quote(&self, lines: &[Line]) -> bool {
        lines.iter().all(|line| self.prices.contains_key(&line.sku))
    }

    /// Places an order, as the intake does.
    pub fn place(
        &mut self,
        customer: CustomerId,
        lines: Vec<Line>,
        method: Option<&str>,
        trace: TraceContext,
        tx: &mut Tx,
    ) -> Result<OrderId, Refusal> {
        let price = |known: &Known| Some(Price { each: known.each?, active: known.active });
        let priced =
            self.prices.iter().filter_map(|(sku, known)| Some((sku.clone(), price(known)?)));
        let quote = quote(&lines, &priced.collect::<BTreeMap<_, _>>())?;
        let payment_method = method.map(str::to_owned);
        let request = NewOrder { customer, lines, payment_method, key: None, trace };
        let id = OrderId::from_uuid(tx.new_id());
        let placed = PlacedOrder::new(id, &request, quote, tx.now, EXPIRY);
        tx.publish(placed.created(), trace);
        self.orders.insert(id, placed);
        Ok(id)
    }

    /// The customer cancels an order.
    pub fn cancel(&mut self, id: OrderId, tx: &mut Tx) {
        let Some(placed) = self.orders.get_mut(&id) else { return };
        let trace = placed.trace;
        let (order, news) = decide(placed.order, Cause::CustomerCancelled, tx.now, trace.trace_id);
        placed.order = order;
        if let Some(news) = news {
            tx.publish(news, trace);
        }
    }
}
