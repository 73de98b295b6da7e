//! The whole stack: servers, database, topics and the seven services, up for as long as needed.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use contracts::topic::{Topic, dead_letter_topic};
use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use test_support::kafka::create_topics;
use test_support::stack::{Folders, SERVICES, ServerProcess, checkout, log_tail};

use crate::binaries::{Profile, build};
use crate::database::{self, ADMIN, Passwords};
use crate::parts::{self, Admin, Description};
use crate::ports::{Choice, KAFKA, POSTGRES, Ports};
use crate::say;
use crate::servers::{Place, Servers};
use crate::services::{self, Start, Variable};
use crate::signals::interrupted;

/// The name of the stack that `up` runs; it keeps its data over restarts.
pub const NAME: &str = "stack";

/// Of each topic: room for as many replicas of a service. Each one that a batch touches costs requests to the
/// broker, so no more than a machine of one's own needs.
const PARTITIONS: i32 = 3;

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
    /// Whether the work stops and starts Postgres and Kafka itself, so that their end is no failure.
    pub outages: bool,
}

/// Keeps the stack up until Ctrl-C, `down`, or the death of a part, which is an error.
pub async fn up(profile: Profile) -> Result<()> {
    let settings = Settings {
        name: NAME.to_owned(),
        profile,
        ports: Choice::Configured,
        variables: Vec::new(),
        fresh: false,
        outages: false,
    };
    with(settings, async |description| {
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
    .await
}

/// Starts a stack, runs `work` on it, and stops it again, however `work` ends: done, failed,
/// interrupted, or because a part of the stack died.
pub async fn with(
    settings: Settings,
    work: impl AsyncFnOnce(&Description) -> Result<()>,
) -> Result<()> {
    let folders = Folders::new(&checkout(), &settings.name)?;
    let _lock = lock(&folders)?.with_context(|| match settings.name.as_str() {
        NAME => {
            "the stack is up already; `make status` tells more, `make down` stops it".to_owned()
        }
        name => format!("the stack `{name}` of this checkout is in use by another command"),
    })?;
    ServerProcess::register(std::process::id(), &supervisor_pid_file(&folders))?;
    stop(&folders).await;
    if settings.fresh {
        folders.clear()?;
    }
    let run = async {
        let description = start(&folders, &settings).await?;
        tokio::select! {
            done = work(&description) => done,
            died = watch(&folders, &description, settings.outages) => died,
        }
    };
    let outcome = tokio::select! {
        done = run => done,
        asked = interrupted() => asked,
    };
    say("stopping the stack");
    stop(&folders).await;
    let _ = std::fs::remove_file(supervisor_pid_file(&folders));
    outcome
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

async fn start(folders: &Folders, settings: &Settings) -> Result<Description> {
    let existing = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let (database_url, brokers) = (existing("DATABASE_URL"), existing("KAFKA_BROKERS"));
    let own = parts::names().filter(|part| match *part {
        POSTGRES => database_url.is_none(),
        KAFKA => brokers.is_none(),
        _ => true,
    });
    let own: Vec<_> = own.collect();
    if settings.ports == Choice::Configured {
        // That a port is taken should not be told only after the build.
        drop(Ports::configured(&own)?);
    }
    let binaries = build(settings.profile).await?;
    let mut ports = Ports::choose(&own, settings.ports)?;

    let postgres = match database_url {
        Some(url) => Place::Existing(url),
        None => Place::Port(ports.release(POSTGRES)?),
    };
    let kafka = match brokers {
        Some(brokers) => Place::Existing(brokers),
        None => Place::Port(ports.release(KAFKA)?),
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
    say("preparing the database and the topics");
    let database_urls = database::prepare(&description.database_url, &passwords).await?;
    let topics: Vec<_> = Topic::ALL
        .iter()
        .map(|topic| topic.name().to_owned())
        .chain(SERVICES.map(dead_letter_topic))
        .collect();
    let topics: Vec<_> = topics.iter().map(String::as_str).collect();
    create_topics(&description.kafka_brokers, &topics, PARTITIONS).await?;

    let mut variables = services::variables(folders, &description.admin);
    variables.extend_from_slice(&settings.variables);
    Start {
        folders,
        binaries: &binaries,
        database_urls: &database_urls,
        brokers: &description.kafka_brokers,
        variables: &variables,
    }
    .run(&mut ports)
    .await?;
    Ok(description)
}

/// Returns, with an error, when a part of the stack is gone.
async fn watch(folders: &Folders, description: &Description, outages: bool) -> Result<()> {
    let mut interval = tokio::time::interval(Duration::from_millis(500));
    loop {
        interval.tick().await;
        for part in description.ports.keys() {
            if outages && [POSTGRES, KAFKA].contains(&part.as_str()) {
                continue;
            }
            if parts::process(folders, part).is_none() {
                bail!("{part} ended; {}", log_tail(&parts::log(folders, part)));
            }
        }
    }
}
