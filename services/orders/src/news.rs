//! What the catalogue tells of products. Pure.

use std::collections::BTreeMap;

use contracts::events::Event;
use contracts::ids::Sku;
use contracts::money::{Money, MoneyError};

/// What an event says of a product.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct News {
    /// The product's version from then on.
    pub version: u64,
    /// The price of one piece; `None` where it can no longer be ordered.
    pub price: Option<Money>,
}

impl News {
    /// The product an event is about and what it says of it, if it is about one.
    pub fn of(event: &Event) -> Result<Option<(&Sku, Self)>, MoneyError> {
        let (sku, version, price) = match event {
            Event::ProductCreated(e) => (&e.sku, e.version, Some((e.price, e.currency))),
            Event::ProductUpdated(e) => (&e.sku, e.version, Some((e.price, e.currency))),
            Event::ProductDiscontinued(e) => (&e.sku, e.version, None),
            _ => return Ok(None),
        };
        let price = price.map(|(amount, currency)| Money::from_amount(amount, currency));
        Ok(Some((sku, Self { version, price: price.transpose()? })))
    }
}

/// The latest that events tell of each product.
pub fn latest<'e>(
    events: impl Iterator<Item = &'e Event>,
) -> Result<BTreeMap<&'e Sku, News>, MoneyError> {
    let mut latest: BTreeMap<&Sku, News> = BTreeMap::new();
    for event in events {
        let Some((sku, news)) = News::of(event)? else { continue };
        let known = latest.entry(sku).or_insert(news);
        if known.version < news.version {
            *known = news;
        }
    }
    Ok(latest)
}
