//! Where e-mails go.

use std::sync::Arc;

use lettre::Message;
use tokio::task::JoinSet;

use crate::config::Config;
use crate::delivery::Attempt;
use crate::folder::Folder;
use crate::smtp::Smtp;

/// The way out, as configured.
pub enum Mailer {
    Smtp(Arc<Smtp>),
    Folder(Folder),
}

/// An e-mail to hand over.
pub struct Letter {
    /// Among those that are sent together.
    pub position: usize,
    pub message: Message,
}

impl Mailer {
    /// The mail server, or else the folder, which is made if it is not there.
    pub async fn new(config: &Config) -> anyhow::Result<Self> {
        match config.mail_server()? {
            None => Folder::open(&config.mail_dir).await.map(Self::Folder),
            Some(server) => Ok(Self::Smtp(Arc::new(Smtp::new(server)))),
        }
    }

    /// How many e-mails may be on their way at the same time.
    pub fn at_once(&self) -> usize {
        match self {
            // Mail servers bound the connections of one client.
            Self::Smtp(_) => 8,
            Self::Folder(_) => 1024,
        }
    }

    /// Hands e-mails over; the attempts with their letters' positions, in any order. What is missing broke
    /// off, and comes again.
    pub async fn send(&self, letters: Vec<Letter>) -> Vec<(usize, Attempt)> {
        match self {
            Self::Smtp(smtp) => {
                let mut sending = JoinSet::new();
                for Letter { position, message, .. } in letters {
                    let smtp = Arc::clone(smtp);
                    sending.spawn(async move { (position, smtp.send(&message).await) });
                }
                let mut attempts = Vec::with_capacity(sending.len());
                while let Some(ended) = sending.join_next().await {
                    match ended {
                        Ok(attempt) => attempts.push(attempt),
                        Err(error) => {
                            tracing::error!(%error, "sending panicked; again after the lease");
                        }
                    }
                }
                attempts
            }
            Self::Folder(folder) => folder.write(letters).await,
        }
    }
}
