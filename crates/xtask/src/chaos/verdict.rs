//! Compares what customers were told with what the databases and the topics hold.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::Result;
use contracts::ids::OrderId;
use contracts::topic::Topic;
use sqlx::{Connection, PgConnection};
use test_support::kafka::{Record, read_until};
use test_support::stack::in_database;
use uuid::Uuid;

use super::traffic::{Accepted, Seen};
use crate::database::DATABASE;
use crate::stack::Stack;

const READ: Duration = Duration::from_mins(1);

/// An order as the orders service keeps it.
struct Kept {
    email: String,
    status: String,
    version: u32,
}

/// Each rule that does not hold, with examples.
pub async fn violations(stack: &Stack, accepted: &Accepted, seen: Seen) -> Result<Vec<String>> {
    let kept = kept(&stack.description.database_url).await?;
    let mut violations = Vec::new();
    let mut rule = |name: &str, broken: Vec<String>| {
        if !broken.is_empty() {
            let some = broken.iter().take(5).cloned().collect::<Vec<_>>().join(", ");
            violations.push(format!("{name}: {} times, such as {some}", broken.len()));
        }
    };
    rule("an accepted order is kept, as its customer's", lost(accepted, &kept));
    rule("a customer's stream tells every version of their orders", untold(&kept, &seen));
    rule("a customer's stream tells of their orders alone", told_to_others(&kept, &seen));
    let records = records(stack, &kept).await;
    match records {
        Ok(records) => {
            rule("each order has one event of its end, the right one", ends(&kept, &records));
        }
        Err(error) => rule("the topics tell the end of every order", vec![format!("{error:#}")]),
    }
    Ok(violations)
}

async fn kept(superuser_url: &str) -> Result<BTreeMap<String, Kept>> {
    let mut connection = PgConnection::connect(&in_database(superuser_url, DATABASE)).await?;
    let rows: Vec<(Uuid, String, String, i32)> = sqlx::query_as(
        "SELECT o.id, u.email, o.status, o.version
         FROM orders.orders o JOIN auth.users u ON u.id = o.customer_id",
    )
    .fetch_all(&mut connection)
    .await?;
    let row = |(id, email, status, version): (Uuid, String, String, i32)| {
        (
            OrderId::from_uuid(id).to_string(),
            Kept { email, status, version: version.unsigned_abs() },
        )
    };
    Ok(rows.into_iter().map(row).collect())
}

fn lost(accepted: &Accepted, kept: &BTreeMap<String, Kept>) -> Vec<String> {
    let all = accepted.orders.iter().flat_map(|(email, ids)| ids.iter().map(move |id| (email, id)));
    all.filter(|(email, id)| kept.get(*id).is_none_or(|kept| kept.email != **email))
        .map(|(_, id)| id.clone())
        .collect()
}

fn untold(kept: &BTreeMap<String, Kept>, seen: &Seen) -> Vec<String> {
    let mut untold = Vec::new();
    for (id, order) in kept {
        let told = seen.get(&order.email);
        let missing = (1..=order.version)
            .filter(|version| told.is_none_or(|told| !told.contains(&(id.clone(), *version))));
        untold.extend(missing.map(|version| format!("version {version} of {id}")));
    }
    untold
}

fn told_to_others(kept: &BTreeMap<String, Kept>, seen: &Seen) -> Vec<String> {
    let all = seen.iter().flat_map(|(email, told)| told.iter().map(move |(id, _)| (email, id)));
    all.filter(|(email, id)| kept.get(*id).is_none_or(|kept| kept.email != **email))
        .map(|(_, id)| id.clone())
        .collect()
}

/// All records of the topics that tell how orders end, once there is an end of every order.
async fn records(stack: &Stack, kept: &BTreeMap<String, Kept>) -> Result<Vec<Record>> {
    let topics = [Topic::Orders, Topic::Fulfillment].map(Topic::name);
    let mut ended = BTreeSet::new();
    let mut looked_at = 0;
    read_until(&stack.description.kafka_brokers, &topics, READ, |records| {
        let new = records.get(looked_at..).unwrap_or_default();
        ended.extend(new.iter().filter_map(|record| Some((end_of(record)?, record.key.clone()?))));
        looked_at = records.len();
        let keys: BTreeSet<_> = ended.iter().map(|(_, key)| key).collect();
        keys.len() >= kept.len()
    })
    .await
}

/// How the order of a record has ended, if that is what it tells.
fn end_of(record: &Record) -> Option<&'static str> {
    match record.header("type")? {
        b"OrderCompleted" => Some("COMPLETED"),
        b"OrderFailed" => Some("FAILED"),
        b"OrderCancelled" => Some("CANCELLED"),
        _ => None,
    }
}

/// Orders whose ends on the topics, without repeats of one event, are not the one that is kept.
fn ends(kept: &BTreeMap<String, Kept>, records: &[Record]) -> Vec<String> {
    let mut told: BTreeMap<&[u8], BTreeSet<(&str, &[u8])>> = BTreeMap::new();
    for record in records {
        if let (Some(end), Some(key), Some(id)) =
            (end_of(record), record.key.as_deref(), record.header("ce_id"))
        {
            told.entry(key).or_default().insert((end, id));
        }
    }
    let wrong = kept.iter().filter(|(id, order)| {
        let told = told.get(id.as_bytes());
        told.is_none_or(|told| told.len() != 1 || told.iter().any(|(end, _)| *end != order.status))
    });
    wrong.map(|(id, _)| id.clone()).collect()
}
