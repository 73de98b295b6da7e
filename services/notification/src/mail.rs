//! E-mails as they go out.

use chrono::{DateTime, Utc};
use lettre::address::{AddressError, Envelope};
use lettre::message::Mailbox;
use lettre::message::header::ContentType;
use lettre::{Address, Message};
use uuid::Uuid;

/// What makes an e-mail.
#[derive(Clone)]
pub struct Mail<'m> {
    pub id: Uuid,
    pub from: &'m Mailbox,
    pub to: &'m str,
    pub subject: &'m str,
    pub body: &'m str,
    pub date: DateTime<Utc>,
}

/// Why there can be no e-mail. Never holds the address.
pub enum Unwritable {
    Address(AddressError),
    Mail(lettre::error::Error),
}

impl Mail<'_> {
    /// The same bytes each time: a repeat has the same Message-ID, by which receivers can drop it.
    pub fn message(&self) -> Result<Message, Unwritable> {
        let to: Address = self.to.parse().map_err(Unwritable::Address)?;
        // Told, it need not be read from the headers again.
        let envelope = Envelope::new(Some(self.from.email.clone()), vec![to.clone()]);
        Message::builder()
            .envelope(envelope.map_err(Unwritable::Mail)?)
            .from(self.from.clone())
            .to(Mailbox::new(None, to))
            .subject(self.subject)
            .date(self.date.into())
            .message_id(Some(format!("<{}@{}>", self.id, self.from.email.domain())))
            .header(ContentType::TEXT_PLAIN)
            .body(self.body.to_owned())
            .map_err(Unwritable::Mail)
    }
}
