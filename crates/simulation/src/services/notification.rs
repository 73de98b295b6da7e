use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use ::notification::notice::{self, Kind};
use contracts::events::Event;
use contracts::ids::{CustomerId, OrderId};
use uuid::Uuid;

use super::Tx;
use crate::topics::Record;

/// What notification has stored.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Notification {
    /// What each customer is to be told, once of a kind.
    pub mails: BTreeMap<(OrderId, Kind), Mail>,
    /// The customers whose address is known.
    pub recipients: BTreeSet<CustomerId>,
    pub(super) keys: BTreeSet<String>,
}

/// A notification.
#[derive(Debug, Clone, PartialEq)]
pub struct Mail {
    /// Its id, by which receivers know a repeat.
    pub id: Uuid,
    /// To whom.
    pub customer: Option<CustomerId>,
    /// Whether it is recorded as sent.
    pub sent: bool,
}

impl Notification {
    pub(super) fn handle(&mut self, batch: &[Rc<Record>], tx: &mut Tx) {
        for record in batch {
            match &record.event {
                Event::UserRegistered(user) => {
                    self.recipients.insert(user.user_id);
                }
                Event::SigningKeyPublished(key) => {
                    self.keys.insert(key.key_id.clone());
                }
                event => {
                    let Some(notice) = notice::of(event) else { continue };
                    // As `store::insert` does: one of an order and kind that is known is left alone.
                    let mail = Mail { id: tx.new_id(), customer: notice.customer, sent: false };
                    self.mails.entry((notice.order, notice.kind)).or_insert(mail);
                }
            }
        }
    }

    /// Those that are to be sent and whose address is known.
    pub fn queued(&self) -> impl Iterator<Item = (OrderId, Kind)> {
        let can_be = |mail: &Mail| {
            !mail.sent && mail.customer.is_some_and(|to| self.recipients.contains(&to))
        };
        self.mails.iter().filter(move |(_, mail)| can_be(mail)).map(|(&of, _)| of)
    }
}
