//! The service's own variables.

use std::num::NonZeroUsize;
use std::time::Duration;

use service_kit::ServiceConfig;

use crate::provider::Provider;
use crate::sandbox::{Ledger, Sandbox};

/// How payments are made.
#[derive(Clone, clap::Args)]
#[command(next_help_heading = "Payment provider")]
pub struct Config {
    /// Who moves the money
    #[arg(
        long,
        env = "PAYMENT_PROVIDER",
        value_name = "PAYMENT_PROVIDER",
        default_value = "sandbox"
    )]
    pub payment_provider: ProviderName,
    /// The most requests to the provider at once
    #[arg(
        long,
        env = "PROVIDER_CONCURRENCY",
        value_name = "PROVIDER_CONCURRENCY",
        default_value = "512"
    )]
    pub provider_concurrency: NonZeroUsize,
    /// Milliseconds to wait for an answer before asking again
    #[arg(
        long,
        env = "PROVIDER_TIMEOUT_MS",
        value_name = "PROVIDER_TIMEOUT_MS",
        default_value_t = 5000,
        value_parser = clap::value_parser!(u64).range(10..=120_000)
    )]
    pub provider_timeout_ms: u64,
    /// Milliseconds the slow card of the sandbox takes for whatever is asked
    #[arg(
        long,
        env = "SANDBOX_SLOW_MS",
        value_name = "SANDBOX_SLOW_MS",
        default_value_t = 2000,
        value_parser = clap::value_parser!(u64).range(0..=120_000)
    )]
    pub sandbox_slow_ms: u64,
    /// What the sandbox signs its webhooks with; without it none are taken
    #[arg(
        long,
        env = "SANDBOX_WEBHOOK_SECRET",
        hide_env_values = true,
        value_name = "SANDBOX_WEBHOOK_SECRET",
        value_parser = clap::builder::NonEmptyStringValueParser::new()
    )]
    pub sandbox_webhook_secret: Option<String>,
    /// For tests: what the sandbox was asked
    #[arg(skip)]
    pub sandbox_ledger: Option<Ledger>,
}

impl ServiceConfig for Config {}

/// The providers there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum ProviderName {
    /// Built in, without money; its payment methods name their outcome.
    Sandbox,
}

impl Config {
    /// The provider that was chosen.
    pub fn provider(&self) -> Provider {
        match self.payment_provider {
            ProviderName::Sandbox => {
                let slow = Duration::from_millis(self.sandbox_slow_ms);
                Provider::Sandbox(Sandbox { slow, ledger: self.sandbox_ledger.clone() })
            }
        }
    }

    /// How long an answer is waited for.
    pub fn patience(&self) -> Duration {
        Duration::from_millis(self.provider_timeout_ms)
    }
}
