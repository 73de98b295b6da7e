//! A Kafka server in a folder: one node that is broker and controller.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Result, ensure};
use nix::sys::signal::Signal;
use tokio::process::Command;

use super::folders::make_dir;
use super::process::{run_to_end, wait_ready};
use super::{Artifacts, ServerProcess, free_port, port_is_free};
use crate::kafka::answers;

const START: Duration = Duration::from_secs(90);
const STOP: Duration = Duration::from_secs(30);

const LOG_SETTINGS: &str = include_str!("../../stack/log4j2.properties");

/// Every node here is a cluster of its own, so all may have the same name.
const CLUSTER_ID: &str = "boutiqueLocalStack000A";

/// Bounded memory, quick to start; one collector thread leaves the cores to the work, and the quick compiler
/// alone does too: on a stack that lives for minutes, the optimising one costs more than it gains.
const JVM: [&str; 7] = [
    "-Xms256m",
    "-Xmx512m",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-Xshare:auto",
    "-Djava.awt.headless=true",
    "-Dfile.encoding=UTF-8",
];

/// What differs from Kafka's defaults, and from node to node.
const SETTINGS: &str = "\
process.roles=broker,controller
node.id=1
controller.listener.names=CONTROLLER
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
inter.broker.listener.name=PLAINTEXT
auto.create.topics.enable=false
num.partitions=6
message.max.bytes=2097152
# Whoever comes new reads from the beginning: prices, keys, what happened to an order.
log.retention.ms=-1
# There is one node to replicate to.
offsets.topic.replication.factor=1
offsets.topic.num.partitions=8
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
share.coordinator.state.topic.num.partitions=4
# A group starts as soon as its first member is there, and tests may notice a dead member soon.
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
group.consumer.min.session.timeout.ms=1000
group.consumer.min.heartbeat.interval.ms=500
group.consumer.heartbeat.interval.ms=1000
# Many small topics: room for the indexes of one is not reserved in advance.
log.index.size.max.bytes=1048576
";

/// A Kafka server that keeps everything in one folder.
///
/// It goes on running when the handle is dropped.
#[derive(Debug)]
pub struct Kafka {
    artifacts: Artifacts,
    dir: PathBuf,
    port: u16,
    advertised: u16,
    process: ServerProcess,
}

impl Kafka {
    /// Starts a server on the data in `dir`, which is made where it is missing; one that still
    /// runs there is stopped first. Returns when it tells its metadata.
    pub async fn start(artifacts: &Artifacts, dir: &Path, port: u16) -> Result<Self> {
        Self::start_behind(artifacts, dir, port, port).await
    }

    /// The same for a server that tells its clients to come by the port of a proxy, `advertised`.
    pub async fn start_behind(
        artifacts: &Artifacts,
        dir: &Path,
        port: u16,
        advertised: u16,
    ) -> Result<Self> {
        Self::stop_in(dir).await;
        ensure!(port_is_free(port), "port {port}, wanted for Kafka, is taken");
        make_dir(dir)?;
        let process = run(artifacts, dir, port, advertised).await?;
        let (artifacts, dir) = (artifacts.clone(), dir.to_path_buf());
        Ok(Self { artifacts, dir, port, advertised, process })
    }

    /// Starts it again, after it was stopped or killed, on the same data and port.
    pub async fn start_again(&mut self) -> Result<()> {
        self.process = run(&self.artifacts, &self.dir, self.port, self.advertised).await?;
        Ok(())
    }

    /// Stops it in order.
    pub async fn stop(&self) {
        self.process.end(Signal::SIGTERM, STOP).await;
    }

    /// Kills it.
    pub async fn kill(&self) {
        self.process.end(Signal::SIGKILL, STOP).await;
    }

    /// Stops the server that runs in a folder, if one does.
    pub async fn stop_in(dir: &Path) {
        if let Some(process) = Self::process_in(dir) {
            process.end(Signal::SIGTERM, STOP).await;
        }
    }

    /// The server process that runs in a folder.
    pub fn process_in(dir: &Path) -> Option<ServerProcess> {
        ServerProcess::find(&dir.join("kafka.pid"))
    }

    /// Its log in a folder.
    pub fn log_in(dir: &Path) -> PathBuf {
        dir.join("kafka.log")
    }

    /// Its bootstrap address.
    pub fn brokers(&self) -> String {
        format!("127.0.0.1:{}", self.port)
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

fn java(artifacts: &Artifacts, dir: &Path, class: &str) -> Command {
    let mut command = Command::new(&artifacts.java);
    let log_settings = dir.join("log4j2.properties");
    command
        .args(JVM)
        .arg(format!("-Dlog4j2.configurationFile={}", log_settings.display()))
        .arg("-cp")
        .arg(artifacts.kafka.join("*"))
        .arg(class)
        .current_dir(dir)
        .env_remove("JAVA_TOOL_OPTIONS");
    command
}

async fn run(
    artifacts: &Artifacts,
    dir: &Path,
    port: u16,
    advertised: u16,
) -> Result<ServerProcess> {
    let log = Kafka::log_in(dir);
    let data = dir.join("data");
    let settings = dir.join("server.properties");
    let controller = free_port()?;
    let mut text = SETTINGS.to_owned();
    write!(
        text,
        "controller.quorum.voters=1@127.0.0.1:{controller}\n\
         listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}\n\
         advertised.listeners=PLAINTEXT://127.0.0.1:{advertised}\n\
         log.dirs={}\n",
        data.display()
    )?;
    std::fs::write(&settings, text)?;
    std::fs::write(dir.join("log4j2.properties"), LOG_SETTINGS)?;

    // Written last: without it the data is not whole.
    let formatted = dir.join("formatted");
    if !formatted.exists() {
        if data.exists() {
            std::fs::remove_dir_all(&data)?;
        }
        let mut command = java(artifacts, dir, "kafka.tools.StorageTool");
        command.args(["format", "--cluster-id", CLUSTER_ID, "--config"]).arg(&settings);
        run_to_end("formatting Kafka's data folder", command, &log).await?;
        std::fs::write(&formatted, "")?;
    }

    let mut command = java(artifacts, dir, "kafka.Kafka");
    command.arg(&settings);
    let process = ServerProcess::spawn(command, &log, &dir.join("kafka.pid"))?;
    let started = wait_ready("Kafka", &process, &log, START, async || {
        answers(&format!("127.0.0.1:{port}")).await
    })
    .await;
    if started.is_err() {
        process.end(Signal::SIGKILL, STOP).await;
    }
    started.map(|()| process)
}
