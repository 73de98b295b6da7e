//! Logs to standard error, as text or as JSON.

use std::io::IsTerminal;

use anyhow::anyhow;
use tracing_subscriber::EnvFilter;

use crate::config::{LogFormat, TelemetryArgs};

/// Sends all log events of the process, panics among them, to standard error. Called once.
pub fn init(args: &TelemetryArgs) -> anyhow::Result<()> {
    let filter = EnvFilter::try_new(&args.log_filter)?;
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    match args.log_format {
        LogFormat::Text => subscriber.try_init(),
        LogFormat::Json => subscriber.json().flatten_event(true).try_init(),
    }
    .map_err(|error| anyhow!("logging is already set up: {error}"))?;
    std::panic::set_hook(Box::new(log_panic));
    Ok(())
}

/// Sends the traces of a service to the collector, if there is one. Without it the shop is as open: what is wrong
/// is logged. Not inside an asynchronous runtime.
pub(crate) fn start_tracing(service: &'static str, args: &TelemetryArgs) {
    let endpoint = &args.otel_exporter_otlp_endpoint;
    if endpoint.is_empty() {
        return;
    }
    if let Err(error) = spans::start(service, endpoint, args.otel_traces_sampler_arg) {
        let error = anyhow::Error::new(error);
        tracing::warn!(error = format!("{error:#}"), "no traces are sent");
    }
}

// The default hook writes bare text, which breaks a stream of JSON lines.
fn log_panic(panic: &std::panic::PanicHookInfo<'_>) {
    let message = panic.payload_as_str().unwrap_or("no message");
    let location = panic.location().map(ToString::to_string).unwrap_or_default();
    tracing::error!(panic = message, location, "panicked");
}
