//! Where e-mails go.

use lettre::Message;
use uuid::Uuid;

use crate::config::Config;
use crate::delivery::Attempt;
use crate::folder::Folder;
use crate::smtp::Smtp;

/// The way out, as configured.
pub enum Mailer {
    Smtp(Smtp),
    Folder(Folder),
}

impl Mailer {
    /// The mail server, or else the folder, which is made if it is not there.
    pub async fn new(config: &Config) -> anyhow::Result<Self> {
        match config.smtp_url.as_deref() {
            // An empty variable is how compose files say that there is none.
            None | Some("") => Folder::open(&config.mail_dir).await.map(Self::Folder),
            Some(url) => Smtp::new(url).map(Self::Smtp),
        }
    }

    /// How many e-mails may be on their way at the same time.
    pub fn at_once(&self) -> u32 {
        match self {
            // Mail servers bound the connections of one client.
            Self::Smtp(_) => 8,
            Self::Folder(_) => 256,
        }
    }

    /// Hands over one e-mail.
    pub async fn send(&self, id: Uuid, message: &Message) -> Attempt {
        match self {
            Self::Smtp(smtp) => smtp.send(message).await,
            Self::Folder(folder) => folder.write(id, message.formatted()).await,
        }
    }
}
