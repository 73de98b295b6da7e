//! What auth reads from its environment, besides what all services do.

use anyhow::{Context, bail};
use chrono::TimeDelta;
use contracts::events::Email;

use service_kit::ServiceConfig;

use crate::credentials::{NewPassword, normalised};
use crate::signing_key::KeyPolicy;

/// The service's own variables. Not `Debug`: it may hold a password.
#[derive(Clone, clap::Args)]
#[command(next_help_heading = "Accounts")]
pub struct Config {
    /// Seconds an access token is valid
    #[arg(
        long,
        env = "ACCESS_TOKEN_SECONDS",
        value_name = "ACCESS_TOKEN_SECONDS",
        default_value_t = 900,
        value_parser = clap::value_parser!(u32).range(1..=86_400)
    )]
    pub access_token_seconds: u32,
    /// Days a refresh token is valid; each use brings a new one
    #[arg(
        long,
        env = "REFRESH_TOKEN_DAYS",
        value_name = "REFRESH_TOKEN_DAYS",
        default_value_t = 30,
        value_parser = clap::value_parser!(u32).range(1..=365)
    )]
    pub refresh_token_days: u32,
    /// Whether browsers send the cookies over HTTPS only; false for plain HTTP on one's own machine
    #[arg(
        long,
        env = "COOKIE_SECURE",
        value_name = "COOKIE_SECURE",
        default_value_t = true,
        action = clap::ArgAction::Set
    )]
    pub cookie_secure: bool,
    /// Days a key signs access tokens before the next one does
    #[arg(
        long,
        env = "KEY_ROTATION_DAYS",
        value_name = "KEY_ROTATION_DAYS",
        default_value_t = 30,
        value_parser = clap::value_parser!(u32).range(1..=365)
    )]
    pub key_rotation_days: u32,
    /// Seconds a key is published before it signs
    // Less than the shortest rotation: each key would be overdue as soon as it was made.
    #[arg(
        long,
        env = "KEY_PUBLISH_LEAD_SECONDS",
        value_name = "KEY_PUBLISH_LEAD_SECONDS",
        default_value_t = 300,
        value_parser = clap::value_parser!(u32).range(0..=43_200)
    )]
    pub key_publish_lead_seconds: u32,
    /// How often somebody may sign up from one address in a quarter of an hour
    // At the most as many as are no burden to keep in one row.
    #[arg(
        long,
        env = "SIGN_UPS_PER_ADDRESS",
        value_name = "SIGN_UPS_PER_ADDRESS",
        default_value_t = 30,
        value_parser = clap::value_parser!(u16).range(1..=1000)
    )]
    pub sign_ups_per_address: u16,
    /// Proxies in front of the service that add to X-Forwarded-For; sign-ups and failed sign-ins
    /// are counted for the address they tell
    #[arg(long, env = "TRUSTED_PROXIES", value_name = "TRUSTED_PROXIES", default_value_t = 0)]
    pub trusted_proxies: u8,
    /// E-mail address of an admin to be there when the service starts
    // Kept as text, like the password: clap prints the value of an argument it cannot parse.
    #[arg(long, env = "ADMIN_EMAIL", hide_env_values = true, value_name = "ADMIN_EMAIL")]
    pub admin_email: Option<String>,
    /// The admin's password, set when they become admin; better given as variable
    #[arg(long, env = "ADMIN_PASSWORD", hide_env_values = true, value_name = "ADMIN_PASSWORD")]
    pub admin_password: Option<String>,
}

impl ServiceConfig for Config {
    fn check(&self) -> anyhow::Result<()> {
        self.first_admin().map(drop)
    }
}

impl Config {
    /// How signing keys follow each other.
    pub fn key_policy(&self) -> KeyPolicy {
        KeyPolicy {
            rotation: TimeDelta::days(self.key_rotation_days.into()),
            lead: TimeDelta::seconds(self.key_publish_lead_seconds.into()),
            token_lifetime: TimeDelta::seconds(self.access_token_seconds.into()),
        }
    }

    /// How long a refresh token is valid.
    pub fn refresh_lifetime(&self) -> TimeDelta {
        TimeDelta::days(self.refresh_token_days.into())
    }

    /// The admin who is to be there when the service starts.
    pub fn first_admin(&self) -> anyhow::Result<Option<(Email, NewPassword)>> {
        match (&self.admin_email, self.admin_password()?) {
            (Some(email), Some(password)) => {
                let email = normalised(email).context("ADMIN_EMAIL is not valid")?;
                Ok(Some((email, password)))
            }
            (None, None) => Ok(None),
            (Some(_), None) => bail!("ADMIN_EMAIL is set and ADMIN_PASSWORD is not"),
            (None, Some(_)) => bail!("ADMIN_PASSWORD is set and ADMIN_EMAIL is not"),
        }
    }

    /// The password of the admin to be made.
    pub fn admin_password(&self) -> anyhow::Result<Option<NewPassword>> {
        let parsed = self.admin_password.as_deref().map(str::parse).transpose();
        parsed.context("ADMIN_PASSWORD is not valid")
    }
}
