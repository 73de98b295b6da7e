//! Stock levels, for showing, and signing keys.

use std::collections::BTreeMap;

use contracts::events::{Event, EventType};
use messaging::{Handler, HandlerError, Received, Tx};
use service_kit::tokens::store_signing_key;

use crate::store::{self, Level};

/// Hears of what the catalogue shows and cannot know by itself.
pub struct Inbound;

impl Handler for Inbound {
    const HANDLES: &'static [EventType] =
        &[EventType::StockChanged, EventType::SigningKeyPublished];

    const CAN_WAIT: &'static [EventType] = Self::HANDLES;

    async fn handle(&self, tx: &mut Tx, events: &[Received]) -> Result<(), HandlerError> {
        let mut levels = BTreeMap::new();
        for received in events {
            match &received.event {
                Event::StockChanged(changed) => {
                    let version =
                        i64::try_from(changed.version).map_err(HandlerError::permanent)?;
                    let level = Level { available: changed.available.into(), version };
                    let newest = levels.entry(&changed.sku).or_insert(level);
                    if newest.version < version {
                        *newest = level;
                    }
                }
                Event::SigningKeyPublished(published) => {
                    store_signing_key(tx.conn(), published).await?;
                }
                _ => {}
            }
        }
        if !levels.is_empty() {
            store::record_stock(tx.conn(), levels).await?;
        }
        Ok(())
    }
}
