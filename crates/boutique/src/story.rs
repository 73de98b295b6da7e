//! `boutique order trace`: what happened to an order, by the topics and by the services.

use std::collections::BTreeMap;
use std::io::Write;

use anyhow::{Context, bail};
use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use contracts::events::Event;
use contracts::ids::OrderId;
use contracts::topic::Topic;
use messaging::{Admin, Received};
use serde_json::Value;

use crate::services::ServiceUrls;
use crate::table::table;

/// Topics whose records have an order's id as their key.
const OF_ORDERS: [Topic; 5] =
    [Topic::Orders, Topic::Inventory, Topic::Payments, Topic::Expiration, Topic::Fulfillment];

/// How far the clock that made an order's id may be ahead of the database's.
const CLOCKS_APART: TimeDelta = TimeDelta::minutes(5);

pub async fn tell(
    admin: &Admin,
    urls: &ServiceUrls,
    token: Option<&str>,
    order: OrderId,
    out: &mut impl Write,
    err: &mut impl Write,
) -> anyhow::Result<()> {
    let placed = placed_at(order).context("this id was not made by Boutique: it holds no time")?;
    let history = admin
        .history_of(order.to_string(), &OF_ORDERS, placed - CLOCKS_APART)
        .await
        .context("cannot read the topics")?;
    let told = tell_events(&history.events, urls, token, order, out).await;
    // Also where there is nothing to tell, since this may be why.
    for complaint in complaints(&history.unreadable) {
        writeln!(err, "{complaint}")?;
    }
    told
}

async fn tell_events(
    events: &[Received],
    urls: &ServiceUrls,
    token: Option<&str>,
    order: OrderId,
    out: &mut impl Write,
) -> anyhow::Result<()> {
    let Some(first) = events.first() else {
        bail!("no topic tells of {order}; was it placed here, and are records of then still kept?");
    };
    writeln!(out, "order  {order}")?;
    writeln!(out, "trace  {}", first.trace.trace_id)?;
    writeln!(out, "begun  {}\n", first.time.to_rfc3339_opts(SecondsFormat::Millis, true))?;
    let rows: Vec<_> = events.iter().map(|event| row(event, first.time)).collect();
    write!(out, "{}", table(["after", "service", "event", "", "record"], &rows))?;
    if let Some(token) = token {
        ask_services(urls, token, order, out).await?;
    } else {
        writeln!(out, "\nWith an admin's ACCESS_TOKEN, orders and payments are asked as well.")?;
    }
    Ok(())
}

/// Records of the order that the story lacks: without a word of them it would seem whole.
fn complaints(unreadable: &BTreeMap<Topic, usize>) -> Vec<String> {
    let complaint = |(topic, count): (&Topic, &usize)| {
        let records = if *count == 1 { "record" } else { "records" };
        format!("{count} {records} on {topic} could not be read")
    };
    unreadable.iter().map(complaint).collect()
}

fn placed_at(order: OrderId) -> Option<DateTime<Utc>> {
    let (seconds, nanos) = order.as_uuid().get_timestamp()?.to_unix();
    DateTime::from_timestamp(seconds.try_into().ok()?, nanos)
}

fn row(event: &Received, begun: DateTime<Utc>) -> [String; 5] {
    [
        format!("{} ms", (event.time - begun).num_milliseconds()),
        event.topic.producer().to_owned(),
        event.event.event_type().to_string(),
        detail(&event.event),
        format!("{} {}@{}", event.topic, event.partition, event.offset),
    ]
}

/// What tells one event of its type from another.
fn detail(event: &Event) -> String {
    match event {
        Event::OrderCreated(event) => {
            format!("{} {}, {} lines", event.currency, event.total, event.items.len())
        }
        Event::OrderUpdated(event) => event.step.as_str().to_owned(),
        Event::OrderCancelled(event) => event.reason.as_str().to_owned(),
        Event::OrderFailed(event) => event.reason.as_str().to_owned(),
        Event::InventoryReservationFailed(event) => event.reason.as_str().to_owned(),
        Event::PaymentAuthorized(event) => format!("{} {}", event.currency, event.amount),
        Event::PaymentFailed(event) => event.reason.to_string(),
        _ => String::new(),
    }
}

async fn ask_services(
    urls: &ServiceUrls,
    token: &str,
    order: OrderId,
    out: &mut impl Write,
) -> anyhow::Result<()> {
    let text = |value: &Value, field: &str| value[field].as_str().unwrap_or("-").to_owned();
    let history = urls.ask("orders", &format!("/api/orders/{order}/history"), token).await?;
    writeln!(out, "\norders says:")?;
    let entries = history.as_ref().and_then(|history| history["items"].as_array());
    let rows: Vec<_> = entries
        .into_iter()
        .flatten()
        .map(|entry| ["at", "step", "reason", "cause"].map(|field| text(entry, field)))
        .collect();
    write!(out, "{}", table(["at", "step", "reason", "cause"], &rows))?;
    let payment = urls.ask("payments", &format!("/api/payments/{order}"), token).await?;
    match payment {
        Some(payment) => writeln!(out, "\npayments says: {}", text(&payment, "status"))?,
        None => writeln!(out, "\npayments has not heard of it")?,
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_not_be_read_is_counted_by_topic() {
        let unreadable = BTreeMap::from([(Topic::Payments, 3), (Topic::Orders, 1)]);
        assert_eq!(
            complaints(&unreadable),
            [
                "1 record on orders.v1 could not be read",
                "3 records on payments.v1 could not be read"
            ]
        );
        assert!(complaints(&BTreeMap::new()).is_empty());
    }
}
