//! The mail server.

use std::error::Error as _;
use std::io;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use lettre::Message;
use lettre::transport::smtp::Error;
use lettre::transport::smtp::authentication::DEFAULT_MECHANISMS;
use lettre::transport::smtp::client::AsyncSmtpConnection;
use lettre::transport::smtp::extension::ClientId;

use crate::delivery::Attempt;
use crate::smtp_url::SmtpUrl;

/// The longest that one e-mail may take, the greeting of a new connection included.
const TIMEOUT: Duration = Duration::from_secs(20);

/// A mail server, and the connections to it that wait for the next e-mail.
///
/// Lettre's own pool is not used: an e-mail that is given up half way would put its connection back
/// with an answer still to come, which the next e-mail would take for its own. Here a connection
/// comes back only from an e-mail that ended well.
pub struct Smtp {
    server: SmtpUrl,
    hello: ClientId,
    timeout: Duration,
    idle: Mutex<Vec<AsyncSmtpConnection>>,
}

impl Smtp {
    /// Connects to nobody yet: a mail server may be away for a while.
    pub fn new(server: SmtpUrl) -> Self {
        if server.credentials.is_some() {
            tracing::warn!(
                "the password in SMTP_URL and all mail travel unencrypted; the mail server should \
                 be on this machine or in a network of your own"
            );
        }
        Self { server, hello: ClientId::default(), timeout: TIMEOUT, idle: Mutex::default() }
    }

    /// Sends one e-mail.
    pub async fn send(&self, message: &Message) -> Attempt {
        match tokio::time::timeout(self.timeout, self.converse(message)).await {
            Ok(Ok(())) => Attempt::Sent,
            Ok(Err(error)) => attempt(&error),
            Err(_elapsed) => Attempt::Later("the mail server did not answer in time".to_owned()),
        }
    }

    async fn converse(&self, message: &Message) -> Result<(), Error> {
        let mut connection = match self.take_idle().await {
            Some(connection) => connection,
            None => self.connect().await?,
        };
        connection.send(message.envelope(), &message.formatted()).await?;
        self.idle().push(connection);
        Ok(())
    }

    async fn take_idle(&self) -> Option<AsyncSmtpConnection> {
        loop {
            let mut connection = self.idle().pop()?;
            // The server may have closed it meanwhile.
            if connection.test_connected().await {
                return Some(connection);
            }
        }
    }

    async fn connect(&self) -> Result<AsyncSmtpConnection, Error> {
        let SmtpUrl { host, port, credentials } = &self.server;
        let address = (host.as_str(), *port);
        let mut connection =
            AsyncSmtpConnection::connect_tokio1(address, None, &self.hello, None, None).await?;
        if let Some(credentials) = credentials {
            connection.auth(DEFAULT_MECHANISMS, credentials).await?;
        }
        Ok(connection)
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<AsyncSmtpConnection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a failed conversation means. The server's words are not repeated: they may hold the address.
fn attempt(error: &Error) -> Attempt {
    let Some(code) = error.status() else {
        let io = std::iter::successors(error.source(), |&error| error.source())
            .find_map(|error| error.downcast_ref::<io::Error>());
        let cause = io.map_or_else(
            || "the conversation with the mail server broke".to_owned(),
            |io| format!("the mail server cannot be reached: {}", io.kind()),
        );
        return Attempt::Later(cause);
    };
    let cause = format!("the mail server answered {code}");
    // It is not the e-mail's fault when our login is refused.
    match u16::from(code) {
        530 | 534 | 535 | 538 => Attempt::Later(cause),
        500..=599 => Attempt::Refused(cause),
        _ => Attempt::Later(cause),
    }
}

#[cfg(test)]
mod tests;
