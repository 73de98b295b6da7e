//! Requests that nobody has thought of, to every route of every service, on a stack of its own.
//!
//! They are made of what the services' own OpenAPI documents say, some of them right and most of them
//! changed, from a seed: `FUZZ_SEED=7 FUZZ_REQUESTS=20000 cargo test -p xtask --test it fuzz`. What is
//! found wrong is printed with the request.

mod document;
mod json;
mod judge;
mod mutate;
mod raw;
mod request;
mod wire;
mod world;

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use futures_util::stream::{self, StreamExt};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use test_support::stack::SERVICES;
use xtask::binaries::Profile;
use xtask::parts::{Description, log};
use xtask::stack::{self, Stack};
use xtask::{audit, demo, say};

use crate::alone;
use document::Operation;
use request::Request;
use world::{WEBHOOK_SECRET, World};

const SEED: u64 = 1;
const REQUESTS: usize = 4000;

/// Requests on their way at once.
const AT_ONCE: usize = 16;

/// Faults that are printed; many have one cause.
const SHOWN: usize = 10;

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_asked_is_answered_as_documented() -> Result<()> {
    let _alone = alone().await;
    let mut settings = demo::stage("fuzz", Profile::Debug);
    settings.variables.push(("payments", "SANDBOX_WEBHOOK_SECRET", WEBHOOK_SECRET.to_owned()));
    stack::with(settings, async |stack: &Stack| {
        let Stack { description, folders, .. } = stack;
        let outcome = fuzz(description).await;
        for service in SERVICES {
            let text = std::fs::read_to_string(log(folders, service))?;
            let failures =
                text.lines().filter(|line| line.contains("panicked") || line.contains("ERROR"));
            let failures: Vec<_> = failures.take(SHOWN).collect();
            ensure!(failures.is_empty(), "{service}: {failures:#?}");
        }
        outcome?;
        audit::settled(description).await
    })
    .await
}

async fn fuzz(description: &Description) -> Result<()> {
    let (seed, count) = (number("FUZZ_SEED", SEED)?, number("FUZZ_REQUESTS", REQUESTS)?);
    let (urls, started) = (description.urls(), Instant::now());
    let addresses: BTreeMap<&str, &str> = urls
        .iter()
        .map(|(service, url)| (service.as_str(), url.trim_start_matches("http://")))
        .collect();
    let mut operations = Vec::new();
    for service in SERVICES {
        let document = reqwest::get(format!("{}/openapi.json", urls[service])).await?;
        let document = serde_json::from_slice(&document.bytes().await?)?;
        operations.extend(document::operations(service, document));
    }
    let world = World::furnish(description).await?;
    say(&format!("{count} requests to {} operations; FUZZ_SEED={seed}", operations.len()));

    let requests = requests(&operations, &world, seed, count);
    let answers = stream::iter(requests.iter().map(|(operation, request)| {
        let address = addresses[operation.service];
        async move { (operation, request, wire::exchange(address, request).await) }
    }));
    let mut answers = answers.buffer_unordered(AT_ONCE);
    let (mut found, mut statuses) = (Vec::new(), BTreeMap::<u16, usize>::new());
    let mut done = BTreeSet::new();
    let mut slowest = Duration::ZERO;
    let mut asked = Instant::now();
    while let Some((operation, request, answer)) = answers.next().await {
        slowest = slowest.max(asked.elapsed());
        asked = Instant::now();
        let faults = match &answer {
            Err(error) => vec![format!("{error:#}")],
            Ok(answer) => judge::faults(&operations, operation.service, request, answer.as_ref()),
        };
        if let Ok(Some(answer)) = &answer {
            *statuses.entry(answer.status).or_default() += 1;
            if answer.status < 300 {
                done.insert(operation.name());
            }
        }
        if !faults.is_empty() {
            let body = answer.ok().flatten().map(|answer| answer.body).unwrap_or_default();
            let body = String::from_utf8_lossy(&body).into_owned();
            found.push(format!("{}: {faults:?}\n{request}\n{body}\n", operation.service));
        }
    }
    say(&format!("{statuses:?} in {:.1?}", started.elapsed()));
    let shown = found.iter().take(SHOWN).map(String::as_str).collect::<Vec<_>>().join("\n");
    ensure!(found.is_empty(), "{} faults, FUZZ_SEED={seed}:\n{shown}", found.len());
    let never: Vec<_> =
        operations.iter().map(Operation::name).filter(|name| !done.contains(name)).collect();
    ensure!(never.is_empty() || count < REQUESTS, "nothing right was asked of {never:?}");

    for (service, address) in &addresses {
        let path = match *service {
            "auth" => "/api/users/signout",
            "payments" => "/api/payments/webhooks/sandbox",
            _ => "/healthz",
        };
        let shapes = raw::try_all(address, path).await.with_context(|| (*service).to_owned())?;
        say(&format!("{shapes} shapes that are no requests, to {service}"));
    }
    Ok(())
}

fn number<N: std::str::FromStr>(variable: &str, default: N) -> Result<N>
where
    N::Err: std::error::Error + Send + Sync + 'static,
{
    let set = std::env::var(variable).ok().map(|text| text.parse()).transpose();
    Ok(set.with_context(|| format!("{variable} is no number"))?.unwrap_or(default))
}

/// Made before any is sent, so that they do not depend on the answers.
fn requests<'o>(
    operations: &'o [Operation],
    world: &World,
    seed: u64,
    count: usize,
) -> Vec<(&'o Operation, Request)> {
    let mut random = StdRng::seed_from_u64(seed);
    let (shared, own): (Vec<_>, Vec<_>) = operations.iter().partition(|one| one.is_shared());
    (0..count)
        .map(|_| {
            let among = if random.random_bool(0.1) { &shared } else { &own };
            let operation = among[random.random_range(0..among.len())];
            let mut request = request::right(operation, world, &mut random);
            for _ in 0..[0, 1, 1, 1, 2, 3][random.random_range(0..6_usize)] {
                mutate::mutate(&mut request, operation, &mut random);
            }
            (operation, request)
        })
        .collect()
}
