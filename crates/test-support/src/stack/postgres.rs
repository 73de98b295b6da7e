//! A Postgres server in a folder.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use nix::sys::signal::Signal;
use sqlx::{Connection, PgConnection};
use tokio::process::Command;

use super::account::Account;
use super::folders::make_dir;
use super::process::{run_to_end, wait_ready};
use super::secret::{random_password, write_secret};
use super::{Artifacts, Guard, ServerProcess, port_is_free};

/// Patience with its start: it may have to recover what was not yet checkpointed.
const START: Duration = Duration::from_mins(1);
const STOP: Duration = Duration::from_secs(30);

/// Bounded memory; safe as in production: `fsync`, `synchronous_commit` and `full_page_writes`
/// stay on.
const SETTINGS: [&str; 9] = [
    "listen_addresses=127.0.0.1",
    "unix_socket_directories=",
    "max_connections=300",
    "shared_buffers=256MB",
    "max_wal_size=2GB",
    "checkpoint_timeout=15min",
    "jit=off",
    "timezone=UTC",
    "log_timezone=UTC",
];

const SERVER: &str = include_str!("../../../../deploy/postgres/server.sql");

/// A Postgres server that keeps everything in one folder.
///
/// It goes on running when the handle is dropped.
#[derive(Debug)]
pub struct Postgres {
    programs: PathBuf,
    dir: PathBuf,
    port: u16,
    password: String,
    process: ServerProcess,
}

impl Postgres {
    /// Starts a server on the data in `dir`, which is made where it is missing; one that still
    /// runs there is stopped first. Returns when it answers.
    ///
    /// `dir` must be one its account can reach, as [`Folders::postgres`](super::Folders::postgres) is.
    pub async fn start(artifacts: &Artifacts, dir: &Path, port: u16) -> Result<Self> {
        Self::start_guarded(artifacts, dir, port, None).await
    }

    /// The same, which speaks TLS as well where it has a guard.
    pub async fn start_guarded(
        artifacts: &Artifacts,
        dir: &Path,
        port: u16,
        guard: Option<&Guard>,
    ) -> Result<Self> {
        Self::stop_in(dir).await;
        ensure!(port_is_free(port), "port {port}, wanted for Postgres, is taken");
        let programs = artifacts.postgres.join("bin");
        make_dir(dir)?;
        let password = init(&programs, dir).await?;
        if let Some(guard) = guard {
            speak_tls(guard, dir)?;
        }
        let process = run(&programs, dir, port, &password).await?;
        let mut connection = PgConnection::connect(&superuser_url(&password, port)).await?;
        sqlx::raw_sql(SERVER).execute(&mut connection).await?;
        connection.close().await?;
        Ok(Self { programs, dir: dir.to_path_buf(), port, password, process })
    }

    /// Starts it again, after it was stopped or killed, on the same data and port.
    pub async fn start_again(&mut self) -> Result<()> {
        self.process = run(&self.programs, &self.dir, self.port, &self.password).await?;
        Ok(())
    }

    /// Stops it in order: connections are ended, what was committed is written.
    pub async fn stop(&self) {
        self.process.end(Signal::SIGINT, STOP).await;
    }

    /// Stops it without writing anything more; it recovers from its log at the next start.
    pub async fn stop_immediate(&self) {
        self.process.end(Signal::SIGQUIT, STOP).await;
    }

    /// Kills it.
    pub async fn kill(&self) {
        self.process.end(Signal::SIGKILL, STOP).await;
    }

    /// Stops the server that runs in a folder, if one does.
    pub async fn stop_in(dir: &Path) {
        if let Some(process) = Self::process_in(dir) {
            process.end(Signal::SIGINT, STOP).await;
        }
    }

    /// The server process that runs in a folder.
    pub fn process_in(dir: &Path) -> Option<ServerProcess> {
        ServerProcess::find(&dir.join("postgres.pid"))
    }

    /// Its log in a folder.
    pub fn log_in(dir: &Path) -> PathBuf {
        dir.join("postgres.log")
    }

    /// URL of the database `postgres` for the superuser.
    pub fn url(&self) -> String {
        superuser_url(&self.password, self.port)
    }

    /// Its port on the loopback interface.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Its process.
    pub fn process(&self) -> &ServerProcess {
        &self.process
    }
}

fn superuser_url(password: &str, port: u16) -> String {
    format!("postgres://postgres:{password}@127.0.0.1:{port}/postgres")
}

/// Makes the data folder and returns the superuser's password.
async fn init(programs: &Path, dir: &Path) -> Result<String> {
    let password_file = dir.join("superuser.password");
    // Written last: without it the data is not whole.
    if let Ok(password) = std::fs::read_to_string(&password_file) {
        return Ok(password);
    }
    let account = Account::unprivileged()?;
    let data = dir.join("data");
    if data.exists() {
        std::fs::remove_dir_all(&data)?;
    }
    make_dir(&data)?;
    account.own(&data, 0o700)?;

    let password = random_password()?;
    let handed_over = dir.join("initdb.password");
    write_secret(&handed_over, &password)?;
    account.own(&handed_over, 0o600)?;
    let mut command = Command::new(programs.join("initdb"));
    command
        .arg("--pgdata")
        .arg(&data)
        .args(["--username=postgres", "--auth=scram-sha-256", "--pwfile"])
        .arg(&handed_over)
        .args(["--encoding=UTF8", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"])
        .arg("--locale=C")
        .current_dir(dir);
    account.apply(&mut command);
    run_to_end("initdb", command, &Postgres::log_in(dir)).await?;
    std::fs::remove_file(&handed_over)?;
    write_secret(&password_file, &password)?;
    Ok(password)
}

/// By the settings that it reads itself; where they are is its data folder.
fn speak_tls(guard: &Guard, dir: &Path) -> Result<()> {
    let account = Account::unprivileged()?;
    let data = dir.join("data");
    for (name, pem) in [("server.crt", &guard.certificate), ("server.key", &guard.key)] {
        let file = data.join(name);
        write_secret(&file, pem)?;
        account.own(&file, 0o600)?;
    }
    let settings = data.join("postgresql.auto.conf");
    std::fs::write(&settings, "ssl = on\n")?;
    account.own(&settings, 0o600)
}

async fn run(programs: &Path, dir: &Path, port: u16, password: &str) -> Result<ServerProcess> {
    let mut command = Command::new(programs.join("postgres"));
    command.arg("-D").arg(dir.join("data")).args(["-p", &port.to_string()]);
    for setting in SETTINGS {
        command.args(["-c", setting]);
    }
    command.current_dir(dir);
    Account::unprivileged()?.apply(&mut command);
    let log = Postgres::log_in(dir);
    let process = ServerProcess::spawn(command, &log, &dir.join("postgres.pid"))?;
    let url = superuser_url(password, port);
    let started = wait_ready("Postgres", &process, &log, START, async || {
        let connection = PgConnection::connect(&url).await.context("it does not answer")?;
        connection.close().await?;
        Ok(())
    })
    .await;
    if started.is_err() {
        process.end(Signal::SIGKILL, STOP).await;
    }
    started.map(|()| process)
}
