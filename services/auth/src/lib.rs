//! Boutique auth service: users, their sessions, and the keys that sign access tokens.

pub mod admin;
pub mod attempts;
pub mod auth;
mod config;
pub mod credentials;
pub mod error;
mod http;
pub mod keys;
mod mailbox;
pub mod passwords;
pub mod prune;
pub mod session;
pub mod signing_key;
mod store;
pub mod user;

use std::net::SocketAddr;

use anyhow::Context;
use clap::Subcommand;
use service_kit::{Kit, Service};
use sqlx::migrate::Migrator;

pub use config::Config;

use auth::Auth;
use credentials::{NewPassword, normalised};
use keys::When;
use passwords::Passwords;

static MIGRATIONS: Migrator = sqlx::migrate!("../../migrations/auth");

/// What tells this service from the others.
pub const SERVICE: Service = Service { name: "auth", port: 3000, migrations: &[&MIGRATIONS] };

/// What an operator can do besides running the service.
#[derive(Subcommand)]
pub enum Command {
    /// Makes an admin: a new user, or a customer, who gets the password and is signed out
    ///
    /// The password is `ADMIN_PASSWORD`, or the first line of standard input. Somebody who is an
    /// admin already stays as they are.
    CreateAdmin {
        /// The admin's e-mail address
        #[arg(long)]
        email: String,
    },
    /// Makes a new signing key before its time, such as after a theft of the present one
    ///
    /// It signs after `KEY_PUBLISH_LEAD_SECONDS`, or at once with 0. What was signed until then is
    /// valid until it expires.
    RotateKeys,
}

/// Starts the service.
pub async fn start(kit: &mut Kit, config: Config) -> anyhow::Result<SocketAddr> {
    let outbox = kit.outbox.clone();
    let passwords = Passwords::new()?;
    let policy = config.key_policy();
    if let Some((email, password)) = config.first_admin()? {
        admin::ensure_admin(&outbox, &passwords, &email, password)
            .await
            .context("cannot make the admin of ADMIN_EMAIL")?;
    }
    keys::rotate(&outbox, policy, When::Due).await.context("cannot make a signing key")?;

    kit.publish_events();
    kit.spawn("key rotation", keys::keep_rotated(outbox.clone(), policy, kit.shutdown.clone()));
    kit.spawn("pruning", prune::keep_pruned(kit.pool.clone(), kit.shutdown.clone()));

    let refresh_lifetime = config.refresh_lifetime();
    kit.serve_http(http::routes(http::AuthState {
        auth: Auth {
            outbox,
            passwords,
            keys: policy,
            refresh_lifetime,
            sign_ups_per_address: config.sign_ups_per_address.into(),
        },
        cookie_secure: config.cookie_secure,
        trusted_proxies: config.trusted_proxies,
    }))
    .await
}

/// Runs a subcommand. What it publishes goes out with the relay of a running replica.
pub async fn run(kit: &mut Kit, config: Config, command: Command) -> anyhow::Result<()> {
    let outbox = &kit.outbox;
    match command {
        Command::CreateAdmin { email } => {
            let email = normalised(&email).context("--email is not valid")?;
            let password = match config.admin_password()? {
                Some(password) => password,
                None => kit
                    .shutdown
                    .run_until_cancelled(password_from_stdin())
                    .await
                    .context("stopped while waiting for the password")??,
            };
            admin::ensure_admin(outbox, &Passwords::new()?, &email, password).await
        }
        Command::RotateKeys => keys::rotate(outbox, config.key_policy(), When::Now).await,
    }
}

async fn password_from_stdin() -> anyhow::Result<NewPassword> {
    tracing::info!("reading the password from standard input, since ADMIN_PASSWORD is not set");
    let line = tokio::task::spawn_blocking(|| std::io::stdin().lines().next()).await?;
    let line = line.context("standard input holds no password")??;
    line.parse().context("the password on standard input is not valid")
}
