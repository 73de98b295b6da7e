//! A Kafka server in a folder: a node that is broker and controller, alone or with others.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use nix::sys::signal::Signal;
use tokio::net::TcpStream;
use tokio::process::Command;

use super::folders::make_dir;
use super::process::{run_to_end, wait_ready};
use super::{Artifacts, Cluster, Guard, ServerProcess, port_is_free};
use crate::kafka::answers;

const START: Duration = Duration::from_mins(3);
const STOP: Duration = Duration::from_secs(30);

const LOG_SETTINGS: &str = include_str!("../../stack/log4j2.properties");

/// No cluster here meets another one, so all may have the same name.
const CLUSTER_ID: &str = "boutiqueLocalStack000A";

/// Quick to start; one collector thread leaves the cores to the work, and the quick compiler alone does too:
/// on a stack that lives for minutes, the optimising one costs more than it gains. Nothing is shared by way of
/// the system's folder for temporary files, where a killed server would leave it.
const JVM: [&str; 7] = [
    "-Xms256m",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-Xshare:auto",
    "-XX:-UsePerfData",
    "-Djava.awt.headless=true",
    "-Dfile.encoding=UTF-8",
];

/// What differs from Kafka's defaults on every node.
const SETTINGS: &str = "\
process.roles=broker,controller
controller.listener.names=CONTROLLER
inter.broker.listener.name=BROKERS
listener.security.protocol.map=CLIENTS:PLAINTEXT,BROKERS:PLAINTEXT,CONTROLLER:PLAINTEXT
auto.create.topics.enable=false
num.partitions=6
# Whoever comes new reads from the beginning: prices, keys, what happened to an order.
log.retention.ms=-1
offsets.topic.num.partitions=8
transaction.state.log.num.partitions=4
share.coordinator.state.topic.num.partitions=4
# On a busy machine a controller may be slow to answer without being gone.
controller.quorum.fetch.timeout.ms=6000
controller.quorum.request.timeout.ms=6000
# A node that comes back leads its partitions again soon.
leader.imbalance.check.interval.seconds=10
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
    cluster: Cluster,
    number: usize,
    process: ServerProcess,
}

impl Kafka {
    /// Starts a server on the data in `dir`, which is made where it is missing; one that still
    /// runs there is stopped first. Returns when it tells its metadata.
    pub async fn start(artifacts: &Artifacts, dir: &Path, port: u16) -> Result<Self> {
        Self::start_node(artifacts, dir, &Cluster::direct(&[port])?, 1).await
    }

    /// The same for one node of a cluster, by its number. It tells its metadata once most of the others
    /// run as well.
    pub async fn start_node(
        artifacts: &Artifacts,
        dir: &Path,
        cluster: &Cluster,
        number: usize,
    ) -> Result<Self> {
        Self::stop_in(dir).await;
        let port = cluster.port(number)?;
        ensure!(port_is_free(port), "port {port}, wanted for Kafka, is taken");
        make_dir(dir)?;
        let process = run(artifacts, dir, cluster, number).await?;
        let (artifacts, dir) = (artifacts.clone(), dir.to_path_buf());
        Ok(Self { artifacts, dir, cluster: cluster.clone(), number, process })
    }

    /// Starts it again, after it was stopped or killed, on the same data and port.
    pub async fn start_again(&mut self) -> Result<()> {
        self.process = run(&self.artifacts, &self.dir, &self.cluster, self.number).await?;
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

    /// The bootstrap addresses of its cluster.
    pub fn brokers(&self) -> String {
        self.cluster.brokers()
    }

    /// Its process.
    pub fn process(&self) -> &ServerProcess {
        &self.process
    }
}

fn java(artifacts: &Artifacts, dir: &Path, cluster: &Cluster, class: &str) -> Command {
    let mut command = Command::new(&artifacts.java);
    let log_settings = dir.join("log4j2.properties");
    command
        .args(JVM)
        .arg(format!("-Xmx{}m", cluster.heap_mib()))
        .arg(format!("-Djava.io.tmpdir={}", temporary(dir).display()))
        .arg(format!("-Dlog4j2.configurationFile={}", log_settings.display()))
        .arg("-cp")
        .arg(artifacts.kafka.join("*"))
        .arg(class)
        .current_dir(dir)
        .env_remove("JAVA_TOOL_OPTIONS");
    command
}

/// Where the server unpacks native libraries.
fn temporary(dir: &Path) -> PathBuf {
    dir.join("tmp")
}

async fn run(
    artifacts: &Artifacts,
    dir: &Path,
    cluster: &Cluster,
    number: usize,
) -> Result<ServerProcess> {
    let log = Kafka::log_in(dir);
    let data = dir.join("data");
    let settings = dir.join("server.properties");
    let mut text = SETTINGS.to_owned();
    text.push_str(&cluster.settings(number)?);
    writeln!(text, "log.dirs={}", data.display())?;
    std::fs::write(&settings, text)?;
    std::fs::write(dir.join("log4j2.properties"), LOG_SETTINGS)?;
    // A server that was killed has left its libraries there.
    let temporary = temporary(dir);
    if temporary.exists() {
        std::fs::remove_dir_all(&temporary)?;
    }
    make_dir(&temporary)?;

    // Written last: without it the data is not whole.
    let formatted = dir.join("formatted");
    if !formatted.exists() {
        if data.exists() {
            std::fs::remove_dir_all(&data)?;
        }
        let mut command = java(artifacts, dir, cluster, "kafka.tools.StorageTool");
        command.args(["format", "--cluster-id", CLUSTER_ID, "--config"]).arg(&settings);
        command.args(cluster.guard().map(Guard::kafka_accounts).unwrap_or_default());
        run_to_end("formatting Kafka's data folder", command, &log).await?;
        std::fs::write(&formatted, "")?;
    }

    let mut command = java(artifacts, dir, cluster, "kafka.Kafka");
    command.arg(&settings);
    let process = ServerProcess::spawn(command, &log, &dir.join("kafka.pid"))?;
    let port = cluster.port(number)?;
    let started = wait_ready("Kafka", &process, &log, START, async || {
        let address = format!("127.0.0.1:{port}");
        if cluster.guard().is_some() {
            // Only its clients know how to speak to it.
            TcpStream::connect(address).await.context("it does not listen")?;
            return Ok(());
        }
        answers(&address).await
    })
    .await;
    if started.is_err() {
        process.end(Signal::SIGKILL, STOP).await;
    }
    started.map(|()| process)
}
