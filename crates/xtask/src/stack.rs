//! The whole stack: servers, database, topics and the seven services, up for as long as needed.

use std::panic::{AssertUnwindSafe, resume_unwind};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use contracts::topic::topic_names;
use futures_util::FutureExt as _;
use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use test_support::kafka::{answers, create_topics};
use test_support::stack::{Cluster, Folders, SERVICES, ServerProcess, checkout, log_tail};

use crate::binaries::{Profile, build};
use crate::clocks::Clocks;
use crate::database::{self, ADMIN, Passwords};
use crate::parts::{self, Admin, Description};
use crate::ports::{Choice, KAFKA, KAFKA_NODES, POSTGRES, Ports};
use crate::proxy::Proxies;
use crate::say;
use crate::servers::{Place, Servers};
use crate::services::{self, Services, Variable};
use crate::signals::{Interrupted, interrupted};

/// The name of the stack that `up` runs; it keeps its data over restarts.
pub const NAME: &str = "stack";

/// Of each topic: room for as many replicas of a service. Each one that a batch touches costs requests to the
/// broker, so no more than a machine of one's own needs.
pub const PARTITIONS: i32 = 3;

/// Which stack to run, and how.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Its folder under `.local/`; stacks of other names run beside it.
    pub name: String,
    /// How the services are compiled.
    pub profile: Profile,
    /// How ports are chosen.
    pub ports: Choice,
    /// Variables of single services; they win over the usual ones.
    pub variables: Vec<Variable>,
    /// Whether it begins with nothing kept from before.
    pub fresh: bool,
    /// Parts that the work stops and starts itself, so that their end is no failure.
    pub unsupervised: Unsupervised,
    /// Nodes of its own Kafka.
    pub kafka_nodes: usize,
    /// Partitions of each topic, of which [`PARTITIONS`] are usual.
    pub partitions: i32,
    /// Whether the services reach Postgres and Kafka through proxies, and have clocks of their own.
    pub breakable: bool,
}

/// Parts whose end is no failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unsupervised {
    /// None.
    None,
    /// Postgres and Kafka.
    Servers,
    /// Every part.
    All,
}

/// A stack that is up.
#[derive(Debug)]
pub struct Stack {
    /// What it tells about itself.
    pub description: Description,
    /// Its folders.
    pub folders: Folders,
    /// Its services, of which more replicas can be started.
    pub services: Services,
    /// What the services reach Postgres and Kafka through, where that was asked for.
    pub proxies: Option<Proxies>,
}

/// Keeps the stack up until Ctrl-C, `down`, or the death of a part, which is an error.
pub async fn up(profile: Profile) -> Result<()> {
    let settings = Settings {
        name: NAME.to_owned(),
        profile,
        ports: Choice::Configured,
        variables: Vec::new(),
        fresh: false,
        unsupervised: Unsupervised::None,
        kafka_nodes: 1,
        partitions: PARTITIONS,
        breakable: false,
    };
    let ended = with(settings, async |Stack { description, .. }| {
        say("\nBoutique is up; Ctrl-C or `make down` ends it");
        for service in SERVICES {
            if let Some(port) = description.ports.get(service) {
                say(&format!("  {service:<13} http://127.0.0.1:{port}"));
            }
        }
        let Admin { email, password } = &description.admin;
        say(&format!("  the shop's admin is {email} with the password {password}"));
        std::future::pending().await
    })
    .await;
    match ended {
        // As it says.
        Err(error) if error.is::<Interrupted>() => Ok(()),
        ended => ended,
    }
}

/// Starts a stack, runs `work` on it, and stops it again, however `work` ends: done, failed, with a panic,
/// interrupted, which is an error, or because a part of the stack died.
pub async fn with(settings: Settings, work: impl AsyncFnOnce(&Stack) -> Result<()>) -> Result<()> {
    let folders = Folders::new(&checkout(), &settings.name)?;
    let _lock = lock(&folders)?.with_context(|| match settings.name.as_str() {
        NAME => {
            "the stack is up already; `make status` tells more, `make down` stops it".to_owned()
        }
        name => format!("the stack `{name}` of this checkout is in use by another command"),
    })?;
    ServerProcess::register(std::process::id(), &supervisor_pid_file(&folders))?;
    if parts::any_runs(&folders) {
        say("ending what an earlier run has left behind");
        stop(&folders).await;
    }
    if settings.fresh {
        folders.clear()?;
    }
    let run = async {
        let stack = start(&folders, &settings).await?;
        let done = tokio::select! {
            done = work(&stack) => done,
            died = watch(&stack, settings.unsupervised) => died,
        };
        // As long as their ways to the servers are there.
        services::stop(&folders).await;
        done
    };
    // A test that fails panics, and no stack is to outlive it.
    let outcome = tokio::select! {
        done = AssertUnwindSafe(run).catch_unwind() => done,
        asked = interrupted() => Ok(Err(asked)),
    };
    if parts::any_runs(&folders) {
        say("stopping the stack");
    }
    stop(&folders).await;
    let _ = std::fs::remove_file(supervisor_pid_file(&folders));
    outcome.unwrap_or_else(|panic| resume_unwind(panic))
}

/// Stops whatever runs in the folders of a stack: services first, then their servers.
pub(crate) async fn stop(folders: &Folders) {
    services::stop(folders).await;
    Servers::stop(folders).await;
    Description::remove(folders);
}

/// The process that keeps a stack up, if there is one.
pub(crate) fn supervisor(folders: &Folders) -> Option<ServerProcess> {
    ServerProcess::find(&supervisor_pid_file(folders))
}

/// Beside the folder, like the lock, since what is in it may be cleared.
pub(crate) fn supervisor_pid_file(folders: &Folders) -> std::path::PathBuf {
    folders.local().with_extension("pid")
}

/// Held for as long as the stack of these folders is in use; the system lets it go when the
/// process ends. `None` when another process holds it.
pub(crate) fn lock(folders: &Folders) -> Result<Option<Flock<std::fs::File>>> {
    let file = std::fs::File::create(folders.local().with_extension("lock"))?;
    match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
        Ok(lock) => Ok(Some(lock)),
        Err((_, Errno::EWOULDBLOCK)) => Ok(None),
        Err((_, error)) => Err(error).context("cannot lock the stack's folder"),
    }
}

async fn start(folders: &Folders, settings: &Settings) -> Result<Stack> {
    let existing = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let (database_url, brokers) = (existing("DATABASE_URL"), existing("KAFKA_BROKERS"));
    let own = parts::names().filter(|part| match *part {
        POSTGRES => database_url.is_none(),
        KAFKA => brokers.is_none(),
        _ => true,
    });
    let mut own: Vec<_> = own.collect();
    if brokers.is_none() {
        own.extend(KAFKA_NODES.into_iter().take(settings.kafka_nodes).skip(1));
    }
    if settings.ports == Choice::Configured {
        // That a port is taken should not be told only after the build.
        drop(Ports::configured(&own)?);
    }
    let binaries = build(settings.profile).await?;
    let mut ports = Ports::choose(&own, settings.ports)?;

    let postgres = match database_url {
        Some(url) => Place::Existing(url),
        None => Place::Own(ports.release(POSTGRES)?),
    };
    let nodes = own.iter().filter(|part| KAFKA_NODES.contains(part));
    let nodes: Vec<_> = nodes.map(|node| ports.release(node)).collect::<Result<_>>()?;
    let proxies = match &postgres {
        Place::Own(postgres) if settings.breakable && !nodes.is_empty() => {
            Some(Proxies::start(*postgres, &nodes).await?)
        }
        _ => None,
    };
    let kafka = match (brokers, &proxies) {
        (Some(brokers), _) => Place::Existing(brokers),
        (None, Some(proxies)) => Place::Own(proxies.cluster.clone()),
        (None, None) => Place::Own(Cluster::direct(&nodes)?),
    };
    let servers = Servers::start(folders, postgres, kafka).await?;
    let passwords = Passwords::read_or_make(&folders.local().join("passwords.json"))?;
    let admin = Admin {
        email: "admin@boutique.example".to_owned(),
        password: passwords.of(ADMIN)?.to_owned(),
    };
    let description = Description {
        admin,
        database_url: servers.database_url,
        kafka_brokers: servers.brokers,
        ports: ports.numbers(),
    };
    description.write(folders)?;
    reach_kafka(&description.kafka_brokers).await?;
    say("preparing the database and the topics");
    let mut database_urls = database::prepare(&description.database_url, &passwords).await?;
    let mut service_brokers = description.kafka_brokers.clone();
    if let Some(proxies) = &proxies {
        for url in database_urls.values_mut() {
            *url = proxies.postgres.in_place_of(url);
        }
        service_brokers = proxies.cluster.advertised();
    }
    let topics = topic_names(SERVICES);
    let topics: Vec<_> = topics.iter().map(String::as_str).collect();
    create_topics(&description.kafka_brokers, &topics, settings.partitions).await?;

    let mut variables = services::variables(folders, &description.admin);
    variables.extend_from_slice(&settings.variables);
    let clocks = if settings.breakable { Clocks::of(folders).await } else { None };
    let folders = folders.clone();
    let services = Services {
        folders: folders.clone(),
        binaries,
        database_urls,
        brokers: service_brokers,
        variables,
        clocks,
    };
    services.run(&mut ports).await?;
    description.write_for_shells(&folders, &services)?;
    Ok(Stack { description, folders, services, proxies })
}

/// Waits a little for brokers that run already, and says so when they do not answer.
async fn reach_kafka(brokers: &str) -> Result<()> {
    const PATIENCE: Duration = Duration::from_secs(10);
    let asking = async {
        while answers(brokers).await.is_err() {
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    };
    let answered = tokio::time::timeout(PATIENCE, asking).await;
    answered.with_context(|| format!("Kafka at {brokers} (KAFKA_BROKERS) does not answer"))
}

/// Returns, with an error, when a part of the stack is gone.
async fn watch(stack: &Stack, unsupervised: Unsupervised) -> Result<()> {
    let Stack { description, folders, .. } = stack;
    let mut interval = tokio::time::interval(Duration::from_millis(500));
    loop {
        interval.tick().await;
        for part in description.ports.keys() {
            let is_server = [POSTGRES, KAFKA].contains(&part.as_str());
            match unsupervised {
                Unsupervised::Servers if is_server => continue,
                Unsupervised::All => continue,
                Unsupervised::Servers | Unsupervised::None => {}
            }
            if parts::process(folders, part).is_none() {
                bail!("{part} ended; {}", log_tail(&parts::log(folders, part)));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo;

    #[tokio::test(flavor = "multi_thread")]
    #[allow(clippy::panic, reason = "what it is about")]
    async fn no_stack_outlives_a_panic() -> Result<()> {
        let settings = demo::stage("panic", Profile::Debug);
        let folders = Folders::new(&checkout(), &settings.name)?;
        let folders_in_use = folders.clone();
        let working = with(settings, async move |_| {
            assert!(parts::any_runs(&folders_in_use));
            panic!("as a test that fails")
        });
        let panic = AssertUnwindSafe(working).catch_unwind().await.unwrap_err();
        assert_eq!(panic.downcast_ref(), Some(&"as a test that fails"));
        assert!(!parts::any_runs(&folders));
        Ok(())
    }
}
