//! What the operators' command line does: one module a command.

mod lag;
mod overview;
mod services;
mod story;
mod table;
mod topics;

use std::io::Write;

use clap::{Args, Parser, Subcommand};
use contracts::ids::OrderId;
use messaging::Admin;
use service_kit::config::KafkaArgs;

use crate::services::ServiceUrls;

/// Shows an operator where things are; changes nothing but missing topics.
#[derive(Parser)]
#[command(name = "boutique", version)]
pub struct Cli {
    #[command(flatten)]
    kafka: KafkaArgs,
    #[command(flatten)]
    services: ServicesArgs,
    #[command(subcommand)]
    command: Command,
}

#[derive(Args)]
#[command(next_help_heading = "Services")]
struct ServicesArgs {
    /// Where services are that are not at their port on this machine, as name=url, separated by commas
    #[arg(
        long,
        env = "SERVICE_URLS",
        value_name = "SERVICE_URLS",
        default_value = "",
        hide_default_value = true
    )]
    service_urls: ServiceUrls,
    /// An admin's access token, for what the services tell of an order
    #[arg(long, env = "ACCESS_TOKEN", hide_env_values = true, value_name = "ACCESS_TOKEN")]
    access_token: Option<String>,
}

#[derive(Subcommand)]
enum Command {
    /// Lists the topics, or makes those that are missing
    Topics {
        #[command(subcommand)]
        command: Option<TopicsCommand>,
    },
    /// Shows how many records each service has still to process, of the topics it has processed something of
    Lag,
    /// Shows what waits in each service to be published, for how long, and who publishes it
    Outbox,
    /// Shows how many dead letters each service has; `<service> dlq` works with them
    Dlq,
    /// Works with orders
    #[command(subcommand)]
    Order(OrderCommand),
}

#[derive(Subcommand)]
enum TopicsCommand {
    /// Makes the topics that are missing; those that are there stay as they are
    Create {
        /// Of each topic: the most members of a service that can share its work
        #[arg(long, default_value_t = 6, value_parser = clap::value_parser!(i32).range(1..=1000))]
        partitions: i32,
        /// Brokers that have each partition: 3 wherever orders must survive the loss of one
        #[arg(long, value_parser = clap::value_parser!(i32).range(1..=9))]
        replication: i32,
    },
}

#[derive(Subcommand)]
enum OrderCommand {
    /// Prints an order's whole path across the services, with times
    ///
    /// From the topics, as far back as they are kept; with an admin's `ACCESS_TOKEN` also what orders and payments
    /// say of it. Records of the order that cannot be read are counted at the end.
    Trace {
        /// The order, such as `ord_01k2p9v4x8f0qs3e6t7y5z1a2b`
        id: OrderId,
    },
}

/// Does what was asked for, and writes what there is to say to `out`, and what is missing of it to `err`.
pub async fn run(cli: Cli, out: &mut impl Write, err: &mut impl Write) -> anyhow::Result<()> {
    let urls = cli.services.service_urls;
    match cli.command {
        Command::Topics { command: None } => topics::list(&admin(cli.kafka)?, out).await,
        Command::Topics { command: Some(TopicsCommand::Create { partitions, replication }) } => {
            topics::create(&admin(cli.kafka)?, partitions, replication, out).await
        }
        Command::Lag => lag::show(&admin(cli.kafka)?, out).await,
        Command::Outbox => overview::outbox(&urls, out).await,
        Command::Dlq => overview::dead_letters(&urls, out).await,
        Command::Order(OrderCommand::Trace { id }) => {
            let token = cli.services.access_token;
            story::tell(&admin(cli.kafka)?, &urls, token.as_deref(), id, out, err).await
        }
    }
}

fn admin(kafka: KafkaArgs) -> anyhow::Result<Admin> {
    Ok(Admin::new(kafka.config()?))
}
