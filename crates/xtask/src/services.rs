//! The seven services as processes of a stack.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use futures_util::future::{join_all, try_join_all};
use nix::sys::signal::Signal;
use test_support::stack::{Folders, SERVICES, ServerProcess, run_to_end, wait_ready};
use tokio::process::Command;

use crate::parts::{Admin, log, process, service_pid_file};
use crate::ports::Ports;
use crate::say;

const START: Duration = Duration::from_mins(1);
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
        ("notification", "MAIL_DIR", mail.to_string_lossy().into_owned()),
    ]
}

/// What is needed to start the services.
pub(crate) struct Start<'a> {
    pub folders: &'a Folders,
    pub binaries: &'a Path,
    pub database_urls: &'a BTreeMap<&'static str, String>,
    pub brokers: &'a str,
    pub variables: &'a [Variable],
}

impl Start<'_> {
    /// Migrates and starts all services; returns when every one says that it is ready.
    pub(crate) async fn run(&self, ports: &mut Ports) -> Result<()> {
        say("migrating and starting the services");
        for service in SERVICES {
            // Each start tells of itself only.
            let _ = std::fs::remove_file(log(self.folders, service));
        }
        try_join_all(SERVICES.map(|service| self.once(service, "migrate"))).await?;
        self.once("products", "seed").await?;
        let mut waiting = Vec::new();
        for service in SERVICES {
            let port = ports.release(service)?;
            waiting.push(ready(self.folders, service, port, self.spawn(service, port)?));
        }
        try_join_all(waiting).await?;
        Ok(())
    }

    /// Runs a subcommand of a service to its end.
    async fn once(&self, service: &str, subcommand: &str) -> Result<()> {
        let mut command = self.command(service)?;
        command.arg(subcommand);
        let what = format!("`{service} {subcommand}`");
        run_to_end(&what, command, &log(self.folders, service)).await
    }

    fn spawn(&self, service: &str, port: u16) -> Result<ServerProcess> {
        let mut command = self.command(service)?;
        command.arg("serve").env("LISTEN_ADDR", format!("127.0.0.1:{port}"));
        let (log, pid_file) = (log(self.folders, service), service_pid_file(self.folders, service));
        ServerProcess::spawn(command, &log, &pid_file)
    }

    fn command(&self, service: &str) -> Result<Command> {
        let program = self.binaries.join(service);
        ensure!(program.is_file(), "{} is not there: was {service} built?", program.display());
        let url = self.database_urls.get(service).context("a service without a database")?;
        let mut command = Command::new(program);
        command
            .current_dir(self.folders.local())
            .env("DATABASE_URL", url)
            .env("KAFKA_BROKERS", self.brokers);
        for (_, name, value) in self.variables.iter().filter(|(of, ..)| *of == service) {
            command.env(name, value);
        }
        Ok(command)
    }
}

async fn ready(folders: &Folders, service: &str, port: u16, process: ServerProcess) -> Result<()> {
    let url = format!("http://127.0.0.1:{port}/readyz");
    let client = reqwest::Client::builder().timeout(ANSWER).build()?;
    wait_ready(service, &process, &log(folders, service), START, async || {
        client.get(&url).send().await?.error_for_status()?;
        Ok(())
    })
    .await
}

/// Stops the services that run in the folders of a stack: in order, within half a minute.
pub(crate) async fn stop(folders: &Folders) {
    let running: Vec<_> = SERVICES.iter().filter_map(|name| process(folders, name)).collect();
    join_all(running.iter().map(|process| process.end(Signal::SIGTERM, STOP))).await;
}
