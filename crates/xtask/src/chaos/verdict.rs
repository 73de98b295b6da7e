//! Waits until nothing moves any more, and compares all that customers, databases, topics and mails tell.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::Result;
use contracts::ids::Sku;
use contracts::topic::dead_letter_topic;
use test_support::kafka::{Record, committed, ends, read_all};
use test_support::stack::SERVICES;

use super::poison::{Planted, Readers};
use super::report::Report;
use super::requests;
use super::streams;
use super::traffic::{Accepted, Traffic};
use crate::audit::kept::{Kept, Stock};
use crate::audit::{self, Breach, DeadLetter, Violation, mails};
use crate::stack::Stack;

/// How long it may take until the next records are read, and the next words are told on streams.
const PATIENCE: Duration = Duration::from_secs(30);

/// What happened in a run, as those know who made it happen.
#[derive(Debug)]
pub struct Happened<'r> {
    /// The stock before the first order.
    pub stocked: BTreeMap<Sku, Stock>,
    /// The orders that were answered.
    pub placed: Accepted,
    /// Poison.
    pub planted: Planted,
    /// Who reads what.
    pub readers: &'r Readers,
}

/// Judges the run, for its report; whether everything has settled, so that it can be read again.
pub async fn judge(
    stack: &Stack,
    happened: &Happened<'_>,
    traffic: &Traffic,
    report: &mut Report,
) -> Result<bool> {
    let brokers = &stack.description.kafka_brokers;
    let Happened { stocked, placed, planted, readers } = happened;
    report.accepted = placed.count();
    let letters = planted.letters(brokers, readers).await?;
    let unsettled = audit::wait(&stack.description.database_url, &letters).await?;
    let missing = unsettled.iter().filter(|found| found.breach == Breach::NoDeadLetter);
    report.planted_dead_letters =
        letters.len().saturating_sub(missing.map(|found| found.count).sum());
    let mut has_settled = unsettled.is_empty();
    report.add(unsettled);

    let unread = unread(brokers, readers).await?;
    has_settled &= unread.is_empty();
    report.add(unread);

    let kept = audit::kept(&stack.description.database_url).await?;
    report.count_orders(&kept);
    report.add(requests::compare(&placed.answers, &kept));
    report.add(requests::balance(stocked, &kept));
    report.add(audit::events(brokers, &kept, |record| planted.holds(record)).await?);
    report.add(copies(brokers, &letters).await?);
    report.add(mails::compare(&mails::read(&stack.folders.local().join("mail"))?, &kept));
    report.add(told(traffic, &kept).await?);
    Ok(has_settled)
}

/// Waits until every service has read its topics to their ends, and says who has not.
async fn unread(brokers: &str, readers: &Readers) -> Result<Vec<Violation>> {
    audit::until_still(PATIENCE, async || {
        let mut behind = Vec::new();
        for (service, topics) in readers.topics() {
            let topics: Vec<_> = topics.into_iter().collect();
            let (ends, read) =
                tokio::try_join!(ends(brokers, &topics), committed(brokers, service, &topics))?;
            for (place, end) in ends.into_iter().filter(|(_, end)| *end > 0) {
                let read = read.get(&place).copied().unwrap_or_default();
                if read != end {
                    let (topic, partition) = place;
                    behind.push(format!("{service} at {read} of {end} in {topic}/{partition}"));
                }
            }
        }
        Ok(Violation::of(Breach::Unread, "topics are read to their ends", behind)
            .into_iter()
            .collect())
    })
    .await
}

/// Compares the copies on the topics of dead letters with the dead letters there must be.
async fn copies(brokers: &str, letters: &BTreeSet<DeadLetter>) -> Result<Vec<Violation>> {
    let topics = SERVICES.map(dead_letter_topic);
    let topics: Vec<&str> = topics.iter().map(String::as_str).collect();
    let mut copies = BTreeSet::new();
    read_all(brokers, &topics, |record| _ = copies.insert(copied(&record))).await?;
    Ok(audit::compare_letters(&copies, letters).collect())
}

/// The dead letter that a record is a copy of; one that there is not where it says otherwise.
fn copied(record: &Record) -> DeadLetter {
    let text = |name| String::from_utf8_lossy(record.header(name).unwrap_or_default()).into_owned();
    let (service, place) =
        (text("dead-letter-service"), format!("{}/{}", record.topic, record.offset));
    let is_its = record.topic == dead_letter_topic(&service);
    DeadLetter {
        service: if is_its { service } else { place },
        topic: text("dead-letter-topic"),
        partition: text("dead-letter-partition").parse().unwrap_or(-1),
        offset: text("dead-letter-offset").parse().unwrap_or(-1),
    }
}

/// Waits until streams have told everything, and says what they have not.
async fn told(traffic: &Traffic, kept: &Kept) -> Result<Vec<Violation>> {
    audit::until_still(PATIENCE, async || Ok(streams::compare(&traffic.seen(), kept))).await
}
