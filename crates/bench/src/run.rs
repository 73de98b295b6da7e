//! A run of the load, from its plan to its outcome.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use messaging::KafkaConfig;
use tokio::time::{MissedTickBehavior, interval, sleep};

use crate::drive::Crowd;
use crate::ledger::Ledger;
use crate::outcome::{Outcome, Said};
use crate::plan::Plan;
use crate::progress::say;
use crate::streams::Feeds;
use crate::system;
use crate::tail::Ends;

/// How often is looked whether all orders have ended.
const LOOK: Duration = Duration::from_millis(20);
/// How long streams may be behind the topic.
const BEHIND: Duration = Duration::from_secs(10);

/// Does what the plan says, and tells once a second how it goes.
pub async fn run(plan: Plan) -> Result<Outcome> {
    if let Some(fault) = plan.fault() {
        bail!("the plan cannot be carried out: {fault}");
    }
    system::raise_open_files().context("no more open files are allowed")?;
    let ledger = Arc::new(Ledger::new()?);
    let kafka = KafkaConfig::plaintext(plan.brokers.clone(), plan.topic_prefix.clone());
    let mut ends = Ends::follow(kafka, plan.mix.cancelled > 0, Arc::clone(&ledger)).await?;
    let feeds = Feeds::open(&plan, Arc::clone(&ledger)).await?;
    let crowd = Crowd::new(&plan, Arc::clone(&ledger))?;
    // What it takes to begin is not spent on orders.
    let before = system::used()?.cpu;
    let work = async {
        crowd.run(plan.arrivals).await?;
        all_ended(&ledger, Duration::from_secs(plan.patience_seconds)).await;
        all_told(&feeds).await;
        Ok(())
    };
    let done = tokio::select! {
        done = work => done,
        error = tell(&ledger, &feeds) => error,
        error = ends.broken() => Err(error.context("the ends of orders cannot be read any more")),
    };
    done?;
    let used = system::used()?;
    let mut outcome = ledger.sum_up();
    outcome.connections = crowd.connections();
    outcome.streams = plan.streams.map(|_| feeds.sum_up());
    drop(feeds);
    ends.stop().await?;
    outcome.cpu_micros = u64::try_from(used.cpu.saturating_sub(before).as_micros())?;
    outcome.peak_rss_kib = used.peak_rss_kib;
    Ok(outcome)
}

/// Says how it goes, until something is wrong with that.
async fn tell(ledger: &Ledger, feeds: &Feeds) -> Result<()> {
    let mut seconds = interval(Duration::from_secs(1));
    seconds.set_missed_tick_behavior(MissedTickBehavior::Delay);
    seconds.tick().await;
    loop {
        seconds.tick().await;
        say(&Said::Progress(ledger.tick(feeds.open_now())))?;
    }
}

/// Waits until no accepted order is open, or none has ended for so long.
async fn all_ended(ledger: &Ledger, patience: Duration) {
    let (mut ends, mut since) = (ledger.ends(), Instant::now());
    while ledger.open() > 0 && since.elapsed() < patience {
        sleep(LOOK).await;
        let now = ledger.ends();
        if now != ends {
            (ends, since) = (now, Instant::now());
        }
    }
}

/// Waits until the streams have told all ends.
async fn all_told(feeds: &Feeds) {
    let since = Instant::now();
    while feeds.told() < feeds.expected() && since.elapsed() < BEHIND {
        sleep(LOOK).await;
    }
}
