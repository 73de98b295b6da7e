//! What every service reads from its environment, each variable named and explained by `--help`.

mod kafka;

use std::net::SocketAddr;
use std::time::Duration;

use tracing_subscriber::EnvFilter;

pub use kafka::{KafkaArgs, SaslMechanism, SecurityProtocol};

/// The configuration all services share.
#[derive(clap::Args)]
pub struct KitArgs {
    /// Where the service keeps its state.
    #[command(flatten)]
    pub database: DatabaseArgs,
    /// Where it reads and publishes events.
    #[command(flatten)]
    pub kafka: KafkaArgs,
    /// Where others look up what it publishes.
    #[command(flatten)]
    pub registry: RegistryArgs,
    /// Where it listens.
    #[command(flatten)]
    pub http: HttpArgs,
    /// What it logs.
    #[command(flatten)]
    pub telemetry: TelemetryArgs,
    /// How it stops.
    #[command(flatten)]
    pub shutdown: ShutdownArgs,
}

/// The service's Postgres database. Not `Debug`: the URL holds a password.
#[derive(Clone, clap::Args)]
#[command(next_help_heading = "Database")]
pub struct DatabaseArgs {
    /// Postgres (17 or newer) as postgres://user:password@host:port/database
    // Kept as text: clap prints the value of an argument it cannot parse, password and all.
    #[arg(long, env = "DATABASE_URL", hide_env_values = true, value_name = "DATABASE_URL")]
    pub database_url: String,
    /// The most connections this process opens at once
    #[arg(
        long,
        env = "DATABASE_MAX_CONNECTIONS",
        value_name = "DATABASE_MAX_CONNECTIONS",
        default_value_t = 10,
        value_parser = clap::value_parser!(u32).range(2..=1000)
    )]
    pub database_max_connections: u32,
}

/// A schema registry. Not `Debug`: the URL may hold a password.
#[derive(Clone, clap::Args)]
#[command(next_help_heading = "Schema registry")]
pub struct RegistryArgs {
    /// A registry as Confluent's, in which the schemas of what is published are registered at the start; none
    /// unless it is given
    #[arg(
        long,
        env = "SCHEMA_REGISTRY_URL",
        hide_env_values = true,
        value_name = "SCHEMA_REGISTRY_URL",
        default_value = "",
        hide_default_value = true
    )]
    pub schema_registry_url: String,
}

/// The HTTP server.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "HTTP")]
pub struct HttpArgs {
    /// Address and port to listen on; port 0 takes a free one
    // The default is set from the service's port when the command line is put together.
    #[arg(long, env = "LISTEN_ADDR", value_name = "LISTEN_ADDR")]
    pub listen_addr: SocketAddr,
}

/// Logs, to standard error, and traces.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Telemetry")]
pub struct TelemetryArgs {
    /// What is logged: a level, or a list such as info,orders=debug,sqlx=warn
    #[arg(
        long,
        env = "RUST_LOG",
        value_name = "RUST_LOG",
        default_value = "info",
        value_parser = log_filter
    )]
    pub log_filter: String,
    /// How it is written
    #[arg(long, env = "LOG_FORMAT", value_name = "LOG_FORMAT", default_value = "text")]
    pub log_format: LogFormat,
    /// Where traces are sent by OTLP over HTTP, such as <http://localhost:4318>; none are unless it is given. README
    /// names the variables of OpenTelemetry that count as well, such as that for headers
    #[arg(
        long,
        env = "OTEL_EXPORTER_OTLP_ENDPOINT",
        value_name = "OTEL_EXPORTER_OTLP_ENDPOINT",
        default_value = "",
        hide_default_value = true
    )]
    pub otel_exporter_otlp_endpoint: String,
    /// How many of the traces that begin here are recorded, from 0 to 1; whether others are is for their callers to
    /// say
    #[arg(
        long,
        env = "OTEL_TRACES_SAMPLER_ARG",
        value_name = "OTEL_TRACES_SAMPLER_ARG",
        default_value = "1",
        value_parser = ratio
    )]
    pub otel_traces_sampler_arg: f64,
}

/// How log lines are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// How the process stops.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Shutdown")]
pub struct ShutdownArgs {
    /// Seconds that requests and batches in flight get to finish after SIGTERM or Ctrl-C
    #[arg(
        long,
        env = "SHUTDOWN_TIMEOUT_SECONDS",
        value_name = "SHUTDOWN_TIMEOUT_SECONDS",
        default_value_t = 8,
        value_parser = clap::value_parser!(u64).range(1..=600)
    )]
    pub shutdown_timeout_seconds: u64,
}

impl ShutdownArgs {
    /// The time between the wish to stop and the end of the process, whatever still runs.
    pub fn timeout(&self) -> Duration {
        Duration::from_secs(self.shutdown_timeout_seconds)
    }
}

impl TelemetryArgs {
    /// Fails where the collector cannot be reached by its URL, which is not repeated.
    pub(crate) fn check(&self) -> anyhow::Result<()> {
        let url = &self.otel_exporter_otlp_endpoint;
        plain_http("OTEL_EXPORTER_OTLP_ENDPOINT", url)?;
        anyhow::ensure!(
            !url.contains('@'),
            "OTEL_EXPORTER_OTLP_ENDPOINT must hold no password; OTEL_EXPORTER_OTLP_HEADERS may"
        );
        Ok(())
    }
}

impl RegistryArgs {
    /// Fails where the registry cannot be reached by its URL, which is not repeated.
    pub(crate) fn check(&self) -> anyhow::Result<()> {
        plain_http("SCHEMA_REGISTRY_URL", &self.schema_registry_url)
    }
}

// Both are inside, or beside the service.
fn plain_http(variable: &str, url: &str) -> anyhow::Result<()> {
    let is_valid = url.is_empty()
        || url.parse::<axum::http::Uri>().is_ok_and(|url| url.scheme_str() == Some("http"));
    anyhow::ensure!(
        is_valid,
        "{variable} must be a URL that begins with http://; TLS is not spoken there"
    );
    Ok(())
}

fn ratio(value: &str) -> Result<f64, String> {
    let ratio = value.parse().ok().filter(|ratio| (0.0..=1.0).contains(ratio));
    ratio.ok_or_else(|| "it must be a number from 0 to 1".to_owned())
}

// `EnvFilter` cannot be cloned, which clap needs of a value: checked here, kept as text.
fn log_filter(value: &str) -> Result<String, String> {
    match EnvFilter::try_new(value) {
        Ok(_) => Ok(value.to_owned()),
        Err(error) => Err(error.to_string()),
    }
}
