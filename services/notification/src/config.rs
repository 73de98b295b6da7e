//! What the service reads from its environment.

use std::path::PathBuf;

use anyhow::Context;
use lettre::message::Mailbox;
use service_kit::ServiceConfig;

use crate::smtp_url::SmtpUrl;

/// How e-mails leave the house. Not `Debug`: the URL holds a password.
#[derive(Clone, clap::Args)]
#[command(next_help_heading = "E-mail")]
pub struct Config {
    /// The mail server as `smtp://user:password@host:port`, spoken to without TLS; without it, e-mails
    /// are written to a folder
    // Kept as text: clap prints the value of an argument it cannot parse, password and all.
    #[arg(long, env = "SMTP_URL", hide_env_values = true, value_name = "SMTP_URL")]
    pub smtp_url: Option<String>,
    /// Whom e-mails are from
    #[arg(
        long,
        env = "MAIL_FROM",
        value_name = "MAIL_FROM",
        default_value = "Boutique <orders@boutique.example>"
    )]
    pub mail_from: Mailbox,
    /// The folder for e-mails, all in the file `mail.mbox`, where there is no mail server
    #[arg(long, env = "MAIL_DIR", value_name = "MAIL_DIR", default_value = "mail")]
    pub mail_dir: PathBuf,
}

impl Config {
    /// The mail server, if there is one.
    pub fn mail_server(&self) -> anyhow::Result<Option<SmtpUrl>> {
        match self.smtp_url.as_deref() {
            // An empty variable is how compose files say that there is none.
            None | Some("") => Ok(None),
            Some(url) => SmtpUrl::parse(url).context("SMTP_URL is not valid").map(Some),
        }
    }
}

impl ServiceConfig for Config {
    fn check(&self) -> anyhow::Result<()> {
        self.mail_server().map(drop)
    }
}
