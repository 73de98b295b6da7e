//! The smallest service: says hello to its log and over HTTP.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use service_kit::{Kit, Service, ServiceConfig};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

const SERVICE: Service = Service { name: "greeter", port: 3010, migrations: &[] };

/// The variables of this service alone.
#[derive(clap::Args)]
struct Config {
    /// Seconds between two greetings in the log
    #[arg(
        long,
        env = "GREETING_SECONDS",
        value_name = "GREETING_SECONDS",
        default_value_t = 5,
        value_parser = clap::value_parser!(u64).range(1..)
    )]
    greeting_seconds: u64,
}

impl ServiceConfig for Config {}

/// Starts its parts; `main` runs them until the process is told to stop, or one of them fails.
async fn start(kit: &mut Kit, config: Config) -> anyhow::Result<SocketAddr> {
    let shutdown = kit.shutdown.clone();
    kit.spawn("greetings", async move {
        let mut interval = tokio::time::interval(Duration::from_secs(config.greeting_seconds));
        while shutdown.run_until_cancelled(interval.tick()).await.is_some() {
            tracing::info!("hello");
        }
        Ok(())
    });
    kit.serve_http(OpenApiRouter::new().routes(routes!(greeting))).await
}

/// Says hello.
#[utoipa::path(get, path = "/api/greeting", responses((status = 200, body = String)))]
async fn greeting() -> &'static str {
    "hello\n"
}

fn main() -> ExitCode {
    service_kit::main(SERVICE, start)
}
