//! The `main` of every service.

mod healthcheck;
mod variables;

use std::ffi::OsString;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::process::{ExitCode, Termination};

use anyhow::Context;
use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand};
use messaging::Handler;
use sqlx::migrate::Migrator;

use crate::config::KitArgs;
use crate::dlq::DeadLetterCommand;
use crate::end::End;
use crate::kit::Kit;
use crate::{database, registry, telemetry};

use self::variables::Variable;

pub use self::variables::with_secrets_from_files;

/// What tells one service from another before it starts.
#[derive(Clone, Copy, Debug)]
pub struct Service {
    /// Its name: of the command, in the logs, of its database connections.
    pub name: &'static str,
    /// The port it listens on unless told otherwise.
    pub port: u16,
    /// Its own schema; those of messaging and of this crate come before it.
    pub migrations: &'static [&'static Migrator],
}

/// What a service reads from its environment besides what all services do.
pub trait ServiceConfig: Args {
    /// Fails where what was read cannot be used, and names the variable. For what the command line must not
    /// find out by itself, since it would repeat a secret.
    fn check(&self) -> anyhow::Result<()> {
        Ok(())
    }
}

#[derive(Parser)]
#[command(version, about = "A service of Boutique")]
struct Cli<C: Args, X: Subcommand> {
    #[command(flatten)]
    kit: KitArgs,
    #[command(flatten)]
    config: C,
    #[command(subcommand)]
    command: Option<Command<X>>,
}

#[derive(Subcommand)]
enum Command<X: Subcommand> {
    /// Runs the service until it is told to stop (the default)
    Serve,
    /// Brings the service's schema up to date
    Migrate,
    /// Works with the configuration
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Asks the service that runs on this machine whether it is ready
    Healthcheck,
    #[command(flatten)]
    Own(X),
}

#[derive(Subcommand)]
enum ConfigCommand {
    /// Lists every variable with its value, and fails where one cannot be used
    Check,
}

/// The subcommands of a service that has none of its own.
#[derive(Subcommand)]
enum NoCommand {}

/// Runs a service from the command line: `serve`, which is the default, `migrate`, `config check` or
/// `healthcheck`.
///
/// `start` gets the kit and the service's own configuration, and starts what the service consists
/// of; `main` then runs it until SIGTERM, Ctrl-C or a failure. It returns what [`Kit::serve_http`]
/// returned, since there is no service without health and metrics.
pub fn main<C: ServiceConfig>(
    service: Service,
    start: impl AsyncFnOnce(&mut Kit, C) -> anyhow::Result<SocketAddr>,
) -> ExitCode {
    let run = async |_kit: &mut Kit, _config: C, command: NoCommand| -> anyhow::Result<()> {
        match command {}
    };
    main_with_commands(service, start, run)
}

/// Like [`main`], for a service that hears of events: with the subcommand `dlq`. `handler` makes what
/// redriven dead letters are handed to.
pub fn main_of_consumer<C: ServiceConfig, H: Handler>(
    service: Service,
    start: impl AsyncFnOnce(&mut Kit, C) -> anyhow::Result<SocketAddr>,
    handler: impl FnOnce(&Kit) -> H,
) -> ExitCode {
    let run = async |kit: &mut Kit, _config: C, command: DeadLetterCommand| {
        anyhow::Ok(command.run(kit, &handler(kit)).await)
    };
    main_with_commands(service, start, run)
}

/// Like [`main`], for a service with subcommands of its own. `run` gets the one that was chosen,
/// with a kit whose tasks end when it returns; the process exits with what it returns.
pub fn main_with_commands<C: ServiceConfig, X: Subcommand, T: Termination>(
    service: Service,
    start: impl AsyncFnOnce(&mut Kit, C) -> anyhow::Result<SocketAddr>,
    run: impl AsyncFnOnce(&mut Kit, C, X) -> anyhow::Result<T>,
) -> ExitCode {
    let environment = |name: &str| std::env::var_os(name);
    let (cli, variables) = match parse(service, std::env::args_os(), environment) {
        Ok(parsed) => parsed,
        // There is no log yet.
        Err(error) => return failed(error),
    };
    match run_process(service, cli, &variables, start, run) {
        Ok(code) => code,
        Err(error) => {
            tracing::error!(error = format!("{error:#}"), "{} failed", service.name);
            ExitCode::FAILURE
        }
    }
}

/// Tells on standard error what went wrong, in a terminal's way and not as a log line, and fails. What the command line
/// itself says ends the process as it asks for.
pub fn failed(error: anyhow::Error) -> ExitCode {
    let error = match error.downcast::<clap::Error>() {
        Ok(error) => error.exit(),
        Err(error) => error,
    };
    let cause = error.downcast_ref::<io::Error>();
    // Whoever reads the first lines only, such as `head`, has what they wanted.
    if cause.is_none_or(|cause| cause.kind() != io::ErrorKind::BrokenPipe) {
        let _ = writeln!(io::stderr(), "error: {error:#}");
    }
    ExitCode::FAILURE
}

fn parse<C: ServiceConfig, X: Subcommand>(
    service: Service,
    arguments: impl IntoIterator<Item = impl Into<OsString> + Clone>,
    environment: impl Fn(&str) -> Option<OsString>,
) -> anyhow::Result<(Cli<C, X>, Vec<Variable>)> {
    let listen_addr = format!("127.0.0.1:{}", service.port);
    let command = Cli::<C, X>::command()
        .name(service.name)
        .mut_arg("listen_addr", |arg| arg.required(false).default_value(listen_addr));
    let mut command = with_secrets_from_files(command, environment)?;
    let matches = command.try_get_matches_from_mut(arguments)?;
    let variables = variables::all(&command, &matches);
    let cli = Cli::from_arg_matches(&matches).map_err(|error| error.format(&mut command))?;
    Ok((cli, variables))
}

fn run_process<C: ServiceConfig, X: Subcommand, T: Termination>(
    service: Service,
    cli: Cli<C, X>,
    variables: &[Variable],
    start: impl AsyncFnOnce(&mut Kit, C) -> anyhow::Result<SocketAddr>,
    run: impl AsyncFnOnce(&mut Kit, C, X) -> anyhow::Result<T>,
) -> anyhow::Result<ExitCode> {
    telemetry::init(&cli.kit.telemetry)?;
    match cli.command {
        Some(Command::Healthcheck) => {
            return healthcheck::ask(cli.kit.http.listen_addr).map(|()| ExitCode::SUCCESS);
        }
        Some(Command::Config(ConfigCommand::Check)) => {
            warn_of_unknown(variables);
            // First, since it is for what must not be shown.
            cli.kit.telemetry.check()?;
            io::stdout().write_all(variables::table(variables).as_bytes())?;
            check(&cli.kit, &cli.config)?;
            return Ok(ExitCode::SUCCESS);
        }
        _ => {}
    }
    if let None | Some(Command::Serve) = cli.command {
        warn_of_unknown(variables);
        check(&cli.kit, &cli.config)?;
        telemetry::start_tracing(service.name, &cli.kit.telemetry);
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let result = runtime.block_on(run_command(service, cli, start, run));
    // Whatever still runs had its time; it must not hold up the end of the process.
    runtime.shutdown_background();
    spans::stop();
    result
}

fn warn_of_unknown(variables: &[Variable]) {
    let environment: Vec<String> =
        std::env::vars_os().filter_map(|(name, _)| name.into_string().ok()).collect();
    for warning in variables::unknown(variables, environment.iter().map(String::as_str)) {
        tracing::warn!("{warning}");
    }
}

/// What can be told of a configuration without reaching for anything.
fn check(args: &KitArgs, config: &impl ServiceConfig) -> anyhow::Result<()> {
    args.telemetry.check()?;
    args.registry.check()?;
    database::check_url(&args.database)?;
    args.kafka.clone().config()?;
    config.check()
}

async fn run_command<C: ServiceConfig, X: Subcommand, T: Termination>(
    service: Service,
    cli: Cli<C, X>,
    start: impl AsyncFnOnce(&mut Kit, C) -> anyhow::Result<SocketAddr>,
    run: impl AsyncFnOnce(&mut Kit, C, X) -> anyhow::Result<T>,
) -> anyhow::Result<ExitCode> {
    let Cli { kit: args, config, command } = cli;
    let end = End::on_signal()?;
    let shutdown = end.shutdown.clone();
    let shutdown_timeout = args.shutdown.timeout();

    match command.unwrap_or(Command::Serve) {
        Command::Config(_) | Command::Healthcheck => Ok(ExitCode::SUCCESS),
        Command::Serve => {
            let starting = async {
                let registry = &args.registry.schema_registry_url;
                if !registry.is_empty() {
                    registry::register(registry, service.name).await?;
                }
                let mut kit = kit(service, args, end).await?;
                start(&mut kit, config).await?;
                anyhow::Ok(kit)
            };
            if let Some(kit) = shutdown.run_until_cancelled(starting).await.transpose()? {
                kit.run(shutdown_timeout).await?;
            }
            tracing::info!("stopped");
            Ok(ExitCode::SUCCESS)
        }
        Command::Migrate => {
            let migrating = async {
                let pool = database::connect(&args.database, service.name).await?;
                database::migrate(&pool, service.migrations).await.context("cannot migrate")
            };
            shutdown.run_until_cancelled(migrating).await.context("interrupted")??;
            Ok(ExitCode::SUCCESS)
        }
        Command::Own(own) => {
            let running = async {
                let mut kit = kit(service, args, end).await?;
                let done = run(&mut kit, config, own).await?;
                anyhow::Ok((kit, done))
            };
            let (kit, done) =
                shutdown.run_until_cancelled(running).await.context("interrupted")??;
            shutdown.cancel();
            kit.run(shutdown_timeout).await?;
            Ok(done.report())
        }
    }
}

async fn kit(service: Service, args: KitArgs, end: End) -> anyhow::Result<Kit> {
    let pool = database::connect(&args.database, service.name).await?;
    database::ensure_migrated(&pool, service.migrations, service.name).await?;
    Kit::new(service.name, pool, args.kafka.config()?, args.http.listen_addr, end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Args)]
    struct Config {
        #[arg(long, env = "SEED_COUNT", value_name = "SEED_COUNT", default_value_t = 50)]
        seed_count: u32,
    }

    #[derive(Debug, Subcommand)]
    enum Own {
        Seed { name: String },
    }

    impl ServiceConfig for Config {}

    const SERVICE: Service = Service { name: "products", port: 3001, migrations: &[] };

    fn parsed(arguments: &[&str]) -> anyhow::Result<Cli<Config, Own>> {
        let always = ["products", "--database-url", "postgres://localhost/boutique"];
        Ok(parse(SERVICE, always.iter().chain(arguments), |_| None)?.0)
    }

    #[test]
    fn every_variable_is_listed_once() {
        let arguments = ["products", "--database-url", "postgres://localhost/boutique"];
        let (_, variables) = parse::<Config, Own>(SERVICE, arguments, |_| None).unwrap();
        let mut names: Vec<_> = variables.iter().map(|variable| &variable.name).collect();
        assert!(names.contains(&&"SEED_COUNT".to_owned()));
        let listed = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), listed);
    }

    #[test]
    fn what_cannot_work_is_found_before_it_is_tried() {
        let checked = |arguments| {
            let Cli { kit, config, .. } = parsed(arguments).unwrap();
            check(&kit, &config).map_err(|error| format!("{error:#}"))
        };
        checked(&["config", "check"]).unwrap();
        let sasl = checked(&["--kafka-security-protocol", "sasl_ssl"]).unwrap_err();
        assert!(sasl.contains("KAFKA_SASL_USERNAME"), "{sasl}");
    }

    #[test]
    fn serves_on_its_port_unless_told_otherwise() {
        let cli = parsed(&[]).unwrap();
        assert!(cli.command.is_none());
        assert_eq!(cli.kit.http.listen_addr.port(), 3001);
        assert_eq!(cli.config.seed_count, 50);
        let cli = parsed(&["--listen-addr", "[::1]:80", "serve"]).unwrap();
        assert!(matches!(cli.command, Some(Command::Serve)));
        assert_eq!(cli.kit.http.listen_addr.to_string(), "[::1]:80");
    }

    #[test]
    fn has_the_commands_of_the_kit_and_its_own() {
        assert!(matches!(parsed(&["migrate"]).unwrap().command, Some(Command::Migrate)));
        match parsed(&["seed", "shoes"]).unwrap().command {
            Some(Command::Own(Own::Seed { name })) => assert_eq!(name, "shoes"),
            _ => panic!("not the service's own command"),
        }
        assert!(parsed(&["plant"]).is_err());
    }
}
