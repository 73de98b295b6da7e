//! What the service reads from its environment.

use std::path::PathBuf;

use lettre::message::Mailbox;

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
