//! Carries faults out, and mends what they broke.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use contracts::topic::Topic;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use nix::sys::signal::Signal;
use rand::{Rng, RngExt};
use test_support::kafka::{NewRecord, produce, read_until};
use test_support::stack::{Artifacts, Kafka, Postgres, ServerProcess, checkout};
use tokio::time::{Instant, sleep, sleep_until};

use super::faults::{Counts, Fault, Leap, Part, Target, Way, next};
use super::replicas::Replicas;
use crate::ports::POSTGRES;
use crate::proxy::{Proxies, Proxy};
use crate::say;
use crate::servers::whole;
use crate::services::replica;
use crate::stack::Stack;

/// How long what is slowed stays so.
const SLOW_FOR: Duration = Duration::from_secs(3);
const READ: Duration = Duration::from_secs(10);
const STOP: Duration = Duration::from_secs(30);

/// Breaks the parts of a stack.
pub struct Injector<'s> {
    stack: &'s Stack,
    replicas: &'s Replicas<'s>,
    proxies: &'s Proxies,
    artifacts: Artifacts,
    /// What is broken right now, and so not to be broken again.
    broken: RefCell<BTreeSet<Part>>,
}

type Running<'a> = Pin<Box<dyn Future<Output = Result<()>> + 'a>>;

impl<'s> Injector<'s> {
    /// For the replicas and servers of a stack.
    pub async fn new(stack: &'s Stack, replicas: &'s Replicas<'s>) -> Result<Self> {
        Ok(Self {
            stack,
            replicas,
            proxies: stack.proxies.as_ref().context("the stack's own servers are needed")?,
            artifacts: Artifacts::ensure(&checkout(), &say).await?,
            broken: RefCell::default(),
        })
    }

    /// Breaks something every second or two until then; returns when all is mended.
    ///
    /// # Errors
    ///
    /// When a part ended by itself, does not stop when it is told to, or does not come back.
    pub async fn break_things(&self, random: &mut impl Rng, until: Instant) -> Result<Counts> {
        let started = Instant::now();
        let mut counts = Counts::default();
        let mut running: FuturesUnordered<Running<'_>> = FuturesUnordered::new();
        while Instant::now() < until {
            let pause = Instant::now() + Duration::from_millis(random.random_range(300..2000));
            while let Ok(Some(mended)) = tokio::time::timeout_at(pause, running.next()).await {
                mended?;
            }
            sleep_until(pause).await;
            self.all_run()?;
            let fault = next(random, self.replicas.count(), self.proxies.kafka.len());
            if self.can(&fault) && self.broken.borrow_mut().insert(fault.part()) {
                say(&format!("{:>6.1} s  {fault}", started.elapsed().as_secs_f64()));
                counts.add(&fault);
                let share = random.random_range(0.0..1.0);
                running.push(Box::pin(async move {
                    self.inject(fault, share).await.with_context(|| format!("after {fault}"))?;
                    self.broken.borrow_mut().remove(&fault.part());
                    Ok(())
                }));
            }
        }
        while let Some(mended) = running.next().await {
            mended?;
        }
        self.all_run()?;
        Ok(counts)
    }

    /// Whether it can be done on this machine.
    fn can(&self, fault: &Fault) -> bool {
        !matches!(fault, Fault::Jump(..)) || self.stack.services.clocks.is_some()
    }

    /// Whether nothing ended that was not broken.
    fn all_run(&self) -> Result<()> {
        for target in self.replicas.all() {
            let expected = !self.broken.borrow().contains(&Part::Replica(target));
            ensure!(
                !expected || self.replicas.process(target).is_some(),
                "{target} ended by itself"
            );
        }
        Ok(())
    }

    async fn inject(&self, fault: Fault, share: f64) -> Result<()> {
        match fault {
            Fault::Kill(target, down) => {
                let process = self.replicas.process(target).context("it does not run")?;
                process.end(Signal::SIGKILL, STOP).await;
                sleep(down).await;
                self.start_again(target).await
            }
            Fault::Freeze(target, time) => {
                freeze(&self.replicas.process(target).context("it does not run")?, time).await;
                Ok(())
            }
            Fault::Terminate(target) => {
                ensure!(self.replicas.terminate(target).await, "it did not stop within 10 s");
                self.start_again(target).await
            }
            Fault::Jump(target, leap, time) => self.jump(target, leap, time).await,
            Fault::CrashPostgres(down) => self.crash_postgres(down).await,
            Fault::KillKafka(node, down) => self.kill_kafka(node, down).await,
            Fault::FreezeKafka(node, time) => {
                let process = Kafka::process_in(&self.stack.folders.kafka(node));
                freeze(&process.context("it does not run")?, time).await;
                whole(&self.proxies.cluster).await
            }
            Fault::Cut(way) => {
                self.proxy(way)?.cut();
                Ok(())
            }
            Fault::Silence(way) => {
                self.proxy(way)?.silence();
                Ok(())
            }
            Fault::Slow(way, delay) => {
                let proxy = self.proxy(way)?;
                proxy.slow(delay);
                sleep(SLOW_FOR).await;
                proxy.slow(Duration::ZERO);
                Ok(())
            }
            Fault::Republish(count) => self.republish(count, share).await,
        }
    }

    /// Starts a replica as a supervisor does: again, where it ended because a server broke meanwhile.
    async fn start_again(&self, target: Target) -> Result<()> {
        const TRIES: usize = 5;
        let mut tries = 1;
        while let Err(error) = self.replicas.start_again(target).await {
            ensure!(tries < TRIES, "{error:#}");
            tries += 1;
            if let Some(process) = self.replicas.process(target) {
                process.end(Signal::SIGKILL, STOP).await;
            }
            let error = format!("{error:#}");
            let why = error.lines().next().unwrap_or_default();
            say(&format!("          {target} did not start ({why}); once more"));
        }
        Ok(())
    }

    async fn jump(&self, target: Target, leap: Leap, time: Duration) -> Result<()> {
        let clocks = self.stack.services.clocks.as_ref().context("no clock can be set")?;
        let name = replica(target.service, target.number);
        clocks.set(&name, leap.seconds())?;
        sleep(time).await;
        clocks.set(&name, 0)
    }

    fn proxy(&self, way: Way) -> Result<&Proxy> {
        match way {
            Way::Postgres => Ok(&self.proxies.postgres),
            Way::Kafka(node) => self.proxies.kafka.get(node - 1).context("a node without a proxy"),
        }
    }

    async fn crash_postgres(&self, down: Duration) -> Result<()> {
        let folder = self.stack.folders.postgres();
        let Some(process) = Postgres::process_in(&folder) else { bail!("it does not run") };
        process.end(Signal::SIGQUIT, STOP).await;
        sleep(down).await;
        Postgres::start(&self.artifacts, &folder, self.port(POSTGRES)?).await.map(drop)
    }

    async fn kill_kafka(&self, node: usize, down: Duration) -> Result<()> {
        let (folder, cluster) = (self.stack.folders.kafka(node), &self.proxies.cluster);
        let Some(process) = Kafka::process_in(&folder) else { bail!("it does not run") };
        process.end(Signal::SIGKILL, STOP).await;
        sleep(down).await;
        Kafka::start_node(&self.artifacts, &folder, cluster, node).await?;
        whole(cluster).await
    }

    /// Publishes records again that lie one after the other, `share` of the way from the first to the last.
    /// That brokers are away meanwhile is no failure.
    #[allow(
        clippy::cast_precision_loss,
        clippy::cast_sign_loss,
        clippy::cast_possible_truncation,
        reason = "a place among records"
    )]
    async fn republish(&self, count: usize, share: f64) -> Result<()> {
        let brokers = &self.stack.description.kafka_brokers;
        let topics: Vec<&str> = Topic::ALL.iter().map(|topic| topic.name()).collect();
        let enough = count.saturating_mul(10);
        let read = read_until(brokers, &topics, READ, |records| records.len() >= enough).await;
        let Ok(records) = read else { return Ok(()) };
        let first = (records.len().saturating_sub(count) as f64 * share) as usize;
        let again = records.into_iter().skip(first).take(count).map(|record| NewRecord {
            topic: record.topic,
            partition: Some(record.partition),
            key: record.key,
            headers: record.headers,
            payload: record.payload,
        });
        let _ = produce(brokers, &again.collect::<Vec<_>>()).await;
        Ok(())
    }

    fn port(&self, part: &str) -> Result<u16> {
        self.stack.description.ports.get(part).copied().context("the stack's own servers")
    }
}

async fn freeze(process: &ServerProcess, time: Duration) {
    process.send(Signal::SIGSTOP);
    sleep(time).await;
    process.send(Signal::SIGCONT);
}
