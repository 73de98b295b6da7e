//! What customers are to be told, and where mail reaches them.

use std::sync::Arc;

use contracts::events::{Event, EventType};
use messaging::{Handler, HandlerError, Received, Tx};
use service_kit::tokens::store_signing_key;
use tokio::sync::Notify;

use crate::{notice, store};

/// Records; sending is the sender's, so that a slow mail server holds up no partition.
pub struct Inbound {
    recorded: Arc<Notify>,
}

impl Inbound {
    /// `recorded` is told of what has been committed.
    pub fn new(recorded: Arc<Notify>) -> Self {
        Self { recorded }
    }
}

impl Handler for Inbound {
    const HANDLES: &'static [EventType] = &[
        EventType::UserRegistered,
        EventType::SigningKeyPublished,
        EventType::OrderCreated,
        EventType::OrderCancelled,
        EventType::OrderCompleted,
        EventType::OrderFailed,
    ];

    async fn handle(&self, tx: &mut Tx, events: &[Received]) -> Result<(), HandlerError> {
        let mut recipients = Vec::new();
        let mut notices = Vec::new();
        for received in events {
            match &received.event {
                Event::UserRegistered(user) => {
                    recipients.push((user.user_id, user.email.as_str()));
                }
                Event::SigningKeyPublished(published) => {
                    store_signing_key(tx.conn(), published).await?;
                }
                event => notices.extend(notice::of(event)),
            }
        }
        if !recipients.is_empty() {
            store::insert_recipients(tx.conn(), &recipients).await?;
        }
        if !notices.is_empty() {
            store::insert(tx.conn(), &notices).await?;
            let recorded = Arc::clone(&self.recorded);
            tx.after_commit(move || recorded.notify_one());
        }
        Ok(())
    }
}
