//! `boutique topics`.

use std::io::Write;

use anyhow::Context;
use contracts::topic::topic_names;
use messaging::{Admin, Made, TopicState};

use crate::services;
use crate::table::table;

pub async fn list(admin: &Admin, out: &mut impl Write) -> anyhow::Result<()> {
    let names = topic_names(services::consumers());
    let topics = admin.topics(names.clone()).await.context("cannot ask the brokers")?;
    let rows: Vec<_> = topics.iter().map(row).collect();
    let heads = ["topic", "partitions", "replication", "out of sync", "records kept"];
    write!(out, "{}", table(heads, &rows))?;
    let missing: Vec<_> = names
        .iter()
        .filter(|name| topics.iter().all(|topic| topic.name != **name))
        .map(String::as_str)
        .collect();
    if !missing.is_empty() {
        writeln!(
            out,
            "\nmissing: {}; `boutique topics create --replication N` makes them",
            missing.join(", ")
        )?;
    }
    Ok(())
}

fn row(topic: &TopicState) -> [String; 5] {
    let partitions = &topic.partitions;
    let replication = partitions.iter().map(|partition| partition.replicas).min();
    let behind = partitions.iter().filter(|p| p.in_sync < p.replicas).count();
    let offsets = partitions.iter().filter_map(|partition| partition.offsets);
    let records: i64 = offsets.map(|(start, end)| end - start).sum();
    [
        topic.name.clone(),
        partitions.len().to_string(),
        replication.unwrap_or_default().to_string(),
        behind.to_string(),
        records.to_string(),
    ]
}

pub async fn create(
    admin: &Admin,
    partitions: i32,
    replication: i32,
    out: &mut impl Write,
) -> anyhow::Result<()> {
    let names = topic_names(services::consumers());
    let made = admin
        .create_topics(&names, partitions, replication)
        .await
        .context("cannot make the topics")?;
    for (name, made) in made {
        match made {
            Made::Created => writeln!(out, "{name}: made, {partitions} partitions")?,
            Made::Existed => writeln!(out, "{name}: was there")?,
        }
    }
    Ok(())
}
