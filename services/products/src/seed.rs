//! Sample products, for a catalogue to begin with.

use anyhow::Context;
use chrono::{DateTime, Utc};
use contracts::events::Event;
use messaging::Outbox;
use sqlx::PgPool;

use crate::SERVICE;
use crate::http::ProductDraft;
use crate::product::{Command, Outcome, decide};
use crate::store;

const PRODUCTS: &str = include_str!("../seed/products.json");

/// Adds the sample products that the catalogue does not have, and leaves the others as they are. The
/// events go out with the service's relay.
pub async fn run(pool: &PgPool) -> anyhow::Result<()> {
    let outbox = Outbox::new(pool.clone(), SERVICE.name);
    let trace = messaging::new_trace();
    let mut tx = outbox.begin().await?;
    let outcomes = outcomes(tx.now())?;
    let products: Vec<_> = outcomes.iter().map(|outcome| outcome.product().clone()).collect();
    let added = store::insert(tx.conn(), &products).await?;
    let is_new = |outcome: &&Outcome| added.contains(outcome.product().sku.as_str());
    let events: Vec<Event> = outcomes
        .iter()
        .filter(is_new)
        .filter_map(|outcome| outcome.event(trace.trace_id))
        .collect();
    for event in events {
        tx.publish(event, &trace)?;
    }
    tx.commit().await?;
    tracing::info!(added = added.len(), of = products.len(), "sample products");
    Ok(())
}

fn outcomes(now: DateTime<Utc>) -> anyhow::Result<Vec<Outcome>> {
    let drafts: Vec<ProductDraft> =
        serde_json::from_str(PRODUCTS).context("the sample products cannot be read")?;
    drafts
        .into_iter()
        .map(|draft| {
            let sku = draft.sku.clone();
            decide(None, Command::Create(draft.into()), now)
                .map_err(|refusal| anyhow::anyhow!("the sample product {sku}: {refusal:?}"))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_samples_are_good_products() {
        let outcomes = outcomes(DateTime::UNIX_EPOCH).unwrap();
        assert!(outcomes.len() >= 50, "{}", outcomes.len());
        let products: Vec<_> = outcomes.iter().map(Outcome::product).collect();
        let skus: BTreeSet<_> = products.iter().map(|product| &product.sku).collect();
        let names: BTreeSet<_> = products.iter().map(|product| &product.name).collect();
        let categories: BTreeSet<_> = products.iter().map(|product| &product.category).collect();
        assert_eq!((skus.len(), names.len()), (products.len(), products.len()));
        assert!((5..=15).contains(&categories.len()), "{categories:?}");
        for product in products {
            assert!(product.price.minor > 0 && !product.description.is_empty(), "{product:?}");
            assert_eq!(product.price.currency.code(), "INR");
        }
    }
}
