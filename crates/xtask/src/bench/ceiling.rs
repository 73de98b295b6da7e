//! What an order would cost if it cost no more than its parts: its SQL, its records and its request, each measured
//! by itself on the servers of the stage, in batches of the size that the saturation had.

use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use bench::Floor;
use bench::outcome::Said;
use contracts::topic::Topic;
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use test_support::kafka::committed;
use test_support::stack::{SERVICES, in_database};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::Command;

use super::length::Length;
use super::meter::Spent;
use super::phases::closed;
use super::report::{BatchSizes, Ceiling, Part};
use super::stage::Stage;
use crate::parts;
use crate::ports::{KAFKA, POSTGRES};
use crate::say;
use crate::stack::PARTITIONS;

const SCRATCH: &str = "bench_ceiling";
/// Orders in SQL for each order in records: they take a tenth of the time, and processor time is counted in ticks.
const SQL_FOR_EACH: u64 = 4;
/// How long a server is looked at without a load.
const IDLE: Duration = Duration::from_secs(1);
/// What orders and the load generator read beside the consumers, each by itself.
const TAILS: [&str; 2] = ["orders.v1,fulfillment.v1", "fulfillment.v1"];

/// Measures the parts of an order as the saturation has `spent` them.
pub async fn measure(stage: &Stage<'_>, length: &Length, spent: &Spent) -> Result<Ceiling> {
    say("\nceilings: the SQL, the records and the request of an order by themselves");
    let orders = length.ceiling_orders;
    let batches = BatchSizes {
        place: whole(spent.batch("intake", &["orders"])),
        step: whole(spent.batch("consumer", &["orders", "inventory", "payments"])),
        records: whole(spent.batch("relay", &["orders", "inventory", "payments"])),
    };
    let sql = stage.at_rest(sql(stage, orders, batches)).await.context("the SQL")?;
    tell("SQL", &sql);
    let kafka = kafka(stage, orders, batches.records, spent).await.context("the records")?;
    tell("records", &kafka);
    let http = http(stage, length.ceiling_seconds).await.context("the request")?;
    tell("request", &http);
    let ceiling = Ceiling::new([sql, kafka, http], batches);
    let Ceiling { floor_micros_per_order: floor, orders_per_second: rate, .. } = ceiling;
    say(&format!("  together {floor:.0} µs: {rate:.0} orders/s"));
    Ok(ceiling)
}

async fn sql(stage: &Stage<'_>, orders: u64, batches: BatchSizes) -> Result<Part> {
    let BatchSizes { place, step, .. } = batches;
    let superuser = &stage.stack.description.database_url;
    let mut connection = PgConnection::connect(superuser).await?;
    let drop = || AssertSqlSafe(format!("DROP DATABASE IF EXISTS {SCRATCH} WITH (FORCE)"));
    sqlx::raw_sql(drop()).execute(&mut connection).await?;
    let create = AssertSqlSafe(format!("CREATE DATABASE {SCRATCH}"));
    sqlx::raw_sql(create).execute(&mut connection).await?;
    let orders = orders * SQL_FOR_EACH;
    let mut command = Command::new(&stage.generator);
    command
        .args(["ceiling", "sql", "--orders", &orders.to_string()])
        .args(["--place", &place.to_string(), "--step", &step.to_string()])
        .env("DATABASE_URL", in_database(superuser, SCRATCH));
    let part = beside(stage, POSTGRES, command).await;
    sqlx::raw_sql(drop()).execute(&mut connection).await?;
    part
}

async fn kafka(stage: &Stage<'_>, orders: u64, batch: usize, spent: &Spent) -> Result<Part> {
    let brokers = &stage.stack.description.kafka_brokers;
    let written = spent.records_by_topic.iter().filter(|(_, per_order)| **per_order > 0.01);
    let written: Vec<(&str, f64)> =
        written.map(|(topic, per_order)| (topic.as_str(), *per_order)).collect();
    let topics: Vec<&str> = Topic::ALL.iter().map(|topic| topic.name()).collect();
    let mut command = Command::new(&stage.generator);
    command
        .args(["ceiling", "kafka", "--brokers", brokers, "--orders", &orders.to_string()])
        .args(["--batch", &batch.to_string(), "--partitions", &PARTITIONS.to_string()]);
    for (topic, per_order) in &written {
        command.args(["--write", &format!("{topic}={per_order:.3}")]);
    }
    let mut reads: Vec<String> = TAILS.map(str::to_owned).into();
    for service in SERVICES {
        let committed = committed(brokers, service, &topics).await?;
        let reads_it = |topic: &str| committed.keys().any(|(read, _)| read == topic);
        let read: Vec<&str> =
            written.iter().map(|(topic, _)| *topic).filter(|topic| reads_it(topic)).collect();
        reads.extend((!read.is_empty()).then(|| read.join(",")));
    }
    for read in reads {
        command.args(["--read", &read]);
    }
    beside(stage, KAFKA, command).await
}

async fn http(stage: &Stage<'_>, seconds: f64) -> Result<Part> {
    let url = stage.stack.services.database_urls.get("orders").context("orders has no database")?;
    let mut command = Command::new(&stage.generator);
    command.args(["ceiling", "http"]).env("DATABASE_URL", url);
    let plan = serde_json::to_vec(&closed(stage, seconds)?)?;
    // The database is asked once; the server is the process's own.
    let (measured, _) = run(command, &plan, || 0).await?;
    Ok(part(measured, float(measured.child_cpu_micros)))
}

/// Runs a command beside a server that is at work for it.
async fn beside(stage: &Stage<'_>, server: &str, command: Command) -> Result<Part> {
    let process = parts::process(&stage.stack.folders, server).context("a server is gone")?;
    let spent = || process.cost().cpu_micros;
    // What it does without a load, for services that wait, is not for the command.
    let (before, begun) = (spent(), Instant::now());
    tokio::time::sleep(IDLE).await;
    let idle_per_second = float(spent().saturating_sub(before)) / begun.elapsed().as_secs_f64();
    let (measured, server) = run(command, &[], spent).await?;
    Ok(part(measured, (float(server) - idle_per_second * measured.seconds).max(0.0)))
}

/// Runs a command that prints what it has cost; beside that, what was `spent` elsewhere while it measured.
async fn run(mut command: Command, input: &[u8], spent: impl Fn() -> u64) -> Result<(Floor, u64)> {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .context("cannot run the load generator")?;
    let mut stdin = child.stdin.take().context("it takes no input")?;
    stdin.write_all(input).await?;
    drop(stdin);
    let stdout = child.stdout.take().context("the load generator says nothing")?;
    let mut lines = BufReader::new(stdout).lines();
    let (mut begun, mut done, mut floor) = (None, None, None);
    while let Some(line) = lines.next_line().await? {
        let said = serde_json::from_str(&line);
        match said.with_context(|| format!("the load generator said {line:?}"))? {
            Said::Begun => begun = Some(spent()),
            Said::Done => done = Some(spent()),
            Said::Floor(measured) => floor = Some(measured),
            Said::Progress(_) | Said::Outcome(_) => {}
        }
    }
    let status = child.wait().await?;
    ensure!(status.success(), "the load generator ended with {status}");
    let floor = floor.context("the load generator has measured nothing")?;
    let (begun, done): (u64, u64) =
        begun.zip(done).context("the load generator did not say when it measured")?;
    Ok((floor, done.saturating_sub(begun)))
}

fn part(measured: Floor, server_micros: f64) -> Part {
    let orders = float(measured.orders.max(1));
    Part {
        client_micros_per_order: float(measured.cpu_micros) / orders,
        server_micros_per_order: server_micros / orders,
        measured,
    }
}

fn tell(what: &str, part: &Part) {
    let Part { client_micros_per_order: client, server_micros_per_order: server, measured } = part;
    let Floor { orders, seconds, .. } = measured;
    say(&format!(
        "  {what:<8} {:>5.0} µs an order: {client:.0} of the client, {server:.0} of the server \
         ({orders} orders in {seconds:.1} s)",
        part.micros()
    ));
}

#[allow(clippy::cast_precision_loss, reason = "figures for people")]
fn float(count: u64) -> f64 {
    count as f64
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a size of some batch")]
fn whole(size: f64) -> usize {
    size.round().max(1.0) as usize
}
