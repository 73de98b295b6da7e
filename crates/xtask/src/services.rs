//! The seven services as processes of a stack.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use futures_util::future::{join_all, try_join_all};
use nix::sys::signal::Signal;
use test_support::stack::{Folders, SERVICES, ServerProcess, run_to_end, wait_ready};
use tokio::process::Command;

use crate::clocks::Clocks;
use crate::parts::{Admin, log, process, service_pid_file};
use crate::ports::Ports;
use crate::say;

/// Of each service, at the most.
pub const MAX_REPLICAS: usize = 9;
const START: Duration = Duration::from_mins(2);
const STOP: Duration = Duration::from_secs(30);
const ANSWER: Duration = Duration::from_secs(2);

/// A variable of one service: service, name and value.
pub type Variable = (&'static str, &'static str, String);

/// Variables of single services on a local stack, beside those that all of them get.
pub fn variables(folders: &Folders, admin: &Admin) -> Vec<Variable> {
    let mail = folders.local().join("mail");
    vec![
        ("auth", "ADMIN_EMAIL", admin.email.clone()),
        ("auth", "ADMIN_PASSWORD", admin.password.clone()),
        // The local stack speaks plain HTTP.
        ("auth", "COOKIE_SECURE", "false".to_owned()),
        // All customers of load and chaos have one address.
        ("auth", "SIGN_UPS_PER_ADDRESS", "1000".to_owned()),
        // A few customers place as many orders as can be placed.
        ("orders", "ORDERS_PER_CUSTOMER", "100000".to_owned()),
        ("notification", "MAIL_DIR", mail.to_string_lossy().into_owned()),
    ]
}

/// The services of a stack, and what is needed to start them.
#[derive(Debug)]
pub struct Services {
    pub(crate) folders: Folders,
    pub(crate) binaries: PathBuf,
    pub(crate) database_urls: BTreeMap<&'static str, String>,
    pub(crate) brokers: String,
    pub(crate) variables: Vec<Variable>,
    /// Of the replicas, where their clocks are to be set wrong.
    pub(crate) clocks: Option<Clocks>,
}

/// The name of a service's replica as a part; the first is named after the service alone.
pub fn replica(service: &str, number: usize) -> String {
    if number == 1 { service.to_owned() } else { format!("{service}-{number}") }
}

impl Services {
    /// Migrates and starts all services; returns when every one says that it is ready.
    pub(crate) async fn run(&self, ports: &mut Ports) -> Result<()> {
        say("migrating and starting the services");
        for service in SERVICES {
            // Each start tells of itself only.
            let _ = std::fs::remove_file(log(&self.folders, service));
        }
        try_join_all(SERVICES.map(|service| self.once(service, "migrate"))).await?;
        self.once("products", "seed").await?;
        let mut waiting = Vec::new();
        for service in SERVICES {
            let port = ports.release(service)?;
            waiting.push(self.start(service, 1, port));
        }
        try_join_all(waiting).await?;
        Ok(())
    }

    /// Runs a subcommand of a service to its end.
    async fn once(&self, service: &str, subcommand: &str) -> Result<()> {
        let mut command = self.command(service)?;
        command.arg(subcommand);
        let what = format!("`{service} {subcommand}`");
        run_to_end(&what, command, &log(&self.folders, service)).await
    }

    /// Starts a replica of a service on a port; returns when it says that it is ready.
    pub(crate) async fn start(&self, service: &str, number: usize, port: u16) -> Result<()> {
        let name = replica(service, number);
        let mut command = self.command(service)?;
        command.arg("serve").env("LISTEN_ADDR", format!("127.0.0.1:{port}"));
        if let Some(clocks) = &self.clocks {
            clocks.give(&mut command, &name)?;
        }
        let (log, pid_file) = (log(&self.folders, &name), service_pid_file(&self.folders, &name));
        let process = ServerProcess::spawn(command, &log, &pid_file)?;
        let url = format!("http://127.0.0.1:{port}/readyz");
        let client = reqwest::Client::builder().timeout(ANSWER).build()?;
        wait_ready(&name, &process, &log, START, async || {
            let response = client.get(&url).send().await?;
            let is_ready = response.status().is_success();
            ensure!(is_ready, "it says {}", response.text().await?);
            Ok(())
        })
        .await
    }

    /// Where the program of that name is.
    pub fn program(&self, name: &str) -> PathBuf {
        self.binaries.join(name)
    }

    fn command(&self, service: &str) -> Result<Command> {
        let program = self.program(service);
        ensure!(program.is_file(), "{} is not there: was {service} built?", program.display());
        let url = self.database_urls.get(service).context("a service without a database")?;
        let mut command = Command::new(program);
        // Those of the tools are none of the services', which would wonder about them.
        for (name, _) in std::env::vars_os() {
            if name.as_encoded_bytes().starts_with(b"BOUTIQUE_") {
                command.env_remove(name);
            }
        }
        command
            .current_dir(self.folders.local())
            .env("DATABASE_URL", url)
            .env("KAFKA_BROKERS", &self.brokers);
        for (_, name, value) in self.variables.iter().filter(|(of, ..)| *of == service) {
            command.env(name, value);
        }
        Ok(command)
    }
}

/// Stops the services that run in the folders of a stack: in order, within half a minute.
pub(crate) async fn stop(folders: &Folders) {
    let replicas = (1..=MAX_REPLICAS).flat_map(|number| SERVICES.map(|name| replica(name, number)));
    let running: Vec<_> = replicas.filter_map(|name| process(folders, &name)).collect();
    join_all(running.iter().map(|process| process.end(Signal::SIGTERM, STOP))).await;
}
