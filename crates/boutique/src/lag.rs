//! `boutique lag`.

use std::collections::BTreeMap;
use std::io::Write;

use anyhow::Context;
use contracts::topic::Topic;
use futures_util::future::try_join_all;
use messaging::{Admin, Progress};

use crate::services;
use crate::table::table;

pub async fn show(admin: &Admin, out: &mut impl Write) -> anyhow::Result<()> {
    let topics: Vec<String> = Topic::ALL.iter().map(|topic| topic.name().to_owned()).collect();
    let topics = admin.topics(topics).await.context("cannot ask the brokers")?;
    let asking = services::consumers().map(async |service| {
        let progress = admin.progress(service, topics.clone()).await;
        let progress = progress.with_context(|| format!("cannot ask how far {service} is"))?;
        anyhow::Ok(rows(service, &progress))
    });
    let rows: Vec<_> = try_join_all(asking).await?.into_iter().flatten().collect();
    write!(out, "{}", table(["service", "topic", "lag", "partitions behind"], &rows))?;
    Ok(())
}

/// A row for each topic that the service has processed something of.
fn rows(service: &str, progress: &[Progress]) -> Vec<[String; 4]> {
    let mut topics: BTreeMap<&str, Vec<&Progress>> = BTreeMap::new();
    for partition in progress {
        topics.entry(&partition.topic).or_default().push(partition);
    }
    topics.retain(|_, partitions| partitions.iter().any(|p| p.committed.is_some()));
    let row = |(topic, partitions): (&str, Vec<&Progress>)| {
        let lag: i64 = partitions.iter().map(|partition| partition.lag).sum();
        let behind = partitions.iter().filter(|partition| partition.lag > 0).count();
        [service.to_owned(), topic.to_owned(), lag.to_string(), behind.to_string()]
    };
    topics.into_iter().map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_topics_that_the_service_reads_are_shown() {
        let of = |topic: &str, partition, committed, lag| Progress {
            topic: topic.to_owned(),
            partition,
            committed,
            lag,
        };
        let progress = [
            of("orders.v1", 0, Some(3), 2),
            of("orders.v1", 1, None, 5),
            of("users.v1", 0, None, 9),
        ];
        assert_eq!(rows("payments", &progress), [["payments", "orders.v1", "7", "2"]]);
    }
}
