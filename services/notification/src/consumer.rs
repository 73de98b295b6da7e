//! What customers are to be told, and where mail reaches them.

use contracts::events::{Event, EventType};
use messaging::{Handler, HandlerError, Handover, Leased, Received, Tx};
use service_kit::tokens::store_signing_key;

use crate::notice::{self, Notice};
use crate::store::{self, Due, Queued};

/// Records; sending is the sender's, so that a slow mail server holds up no partition.
pub struct Inbound {
    /// Where what is to be sent goes.
    pub due: Handover<Due>,
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

    const CAN_WAIT: &'static [EventType] = Self::HANDLES;

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
        if notices.is_empty() {
            return Ok(());
        }
        self.queue(tx, &notices).await
    }
}

impl Inbound {
    /// Queues what customers are to be told, leased to this replica's sender as far as it has hands.
    async fn queue(&self, tx: &mut Tx, notices: &[Notice]) -> Result<(), HandlerError> {
        let mut hands = Vec::new();
        let queued: Vec<_> = notices
            .iter()
            .map(|notice| {
                // Whose it is is the claim's to find out.
                let hand = notice.customer.and_then(|_known| self.due.hand());
                let leased = hand.is_some();
                hands.extend(hand);
                Queued { notice, leased }
            })
            .collect();
        if queued.iter().any(|queued| !queued.leased) {
            self.due.wake_after_commit(tx);
        }
        let now = tx.now();
        let leased = store::insert(tx.conn(), &queued, now, self.due.lease()).await?;
        // Those that were queued before are not returned, and their hands are free again.
        let leased = leased.into_iter().zip(hands);
        self.due.after_commit(tx, leased.map(|(work, hand)| Leased { work, hand }).collect());
        Ok(())
    }
}
