//! What operators and other teams see of an order, on the whole stack: one trace, the command line, figures, and a
//! consumer in another language.

mod collector;

use std::collections::{BTreeMap, BTreeSet};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use test_support::stack::{SERVICES, checkout};
use test_support::{eventually, python};
use tokio::process::Command;
use xtask::{
    audit,
    binaries::Profile,
    crowd, demo, say,
    shop::Shop,
    stack::{self, Settings, Stack},
};

use self::collector::{Collector, Span};
use crate::alone;

const PATIENCE: Duration = Duration::from_mins(1);

#[tokio::test(flavor = "multi_thread")]
async fn an_order_is_seen_through() -> Result<()> {
    let _alone = alone().await;
    let collector = Collector::start().await?;
    let tracing = SERVICES
        .map(|service| (service, "OTEL_EXPORTER_OTLP_ENDPOINT", collector.endpoint.clone()));
    let settings =
        Settings { variables: tracing.to_vec(), ..demo::stage("instruments", Profile::Debug) };
    stack::with(settings, async |stack| {
        let order = completed_order(stack).await?;
        one_trace(&collector, &order).await?;
        command_line(stack, &order).await?;
        other_language(stack, &order).await
    })
    .await
}

/// Places one, and waits until nothing of it is left to do.
async fn completed_order(stack: &Stack) -> Result<String> {
    let shop = Shop::new(stack.description.urls())?;
    let sku = crowd::stocked_sku(&shop, &stack.description.admin).await?;
    let customer = shop.sign_up("seen@example.com", "correct horse battery staple").await?;
    let mut changes = shop.changes(&customer).await?;
    let order = shop.place_order(&customer, &sku, 1, Some("pm_card_ok")).await?;
    while !changes.next().await?.is_terminal() {}
    audit::settled(&stack.description).await?;
    Ok(order.id)
}

/// Steps of the one trace, from the request on, by what led to each: the parent's name, and its own with the
/// service it happened in.
const STEPS: [(&str, &str, &str); 15] = [
    ("", "orders", "POST /api/orders"),
    ("orders POST /api/orders", "orders", "create orders.v1"),
    ("orders create orders.v1", "inventory", "process orders.v1"),
    ("orders create orders.v1", "payments", "process orders.v1"),
    ("orders create orders.v1", "expiration", "process orders.v1"),
    ("orders create orders.v1", "notification", "process orders.v1"),
    ("inventory process orders.v1", "inventory", "create inventory.v1"),
    ("inventory create inventory.v1", "payments", "process inventory.v1"),
    ("inventory create inventory.v1", "orders", "process inventory.v1"),
    ("orders process payments.v1", "orders", "create fulfillment.v1"),
    ("orders create fulfillment.v1", "inventory", "process fulfillment.v1"),
    ("orders create fulfillment.v1", "payments", "process fulfillment.v1"),
    ("orders create fulfillment.v1", "notification", "process fulfillment.v1"),
    ("payments process fulfillment.v1", "payments", "capture payment"),
    ("payments create payments.v1", "orders", "process payments.v1"),
];

async fn one_trace(collector: &Collector, order: &str) -> Result<()> {
    let spans = eventually(PATIENCE, async || {
        let spans = collector.spans();
        let trace =
            spans.iter().find(|span| span.attributes.values().any(|value| value == order))?;
        let trace = trace.trace_id.clone();
        let of_trace: Vec<_> = spans.into_iter().filter(|span| span.trace_id == trace).collect();
        let told = steps(&of_trace);
        let ids: BTreeSet<_> = of_trace.iter().map(|span| &span.id).collect();
        // Each service tells every few seconds: the parent of what is there may be on its way.
        let whole =
            of_trace.iter().filter_map(|span| span.parent.as_ref()).all(|it| ids.contains(it));
        (whole && STEPS.iter().all(|step| told.contains(step))).then_some(of_trace)
    })
    .await;
    let by_id: BTreeMap<_, _> = spans.iter().map(|span| (span.id.clone(), span)).collect();
    ensure!(by_id.len() == spans.len(), "a step was told twice");
    for span in &spans {
        ensure!(span.start <= span.end, "{span:?} ends before it begins");
        let Some(parent) = &span.parent else { continue };
        let parent = by_id.get(parent).with_context(|| format!("{span:?} has no parent"))?;
        // All clocks are this machine's, but a step that is told later is so by a moment.
        ensure!(parent.start <= span.end, "{span:?} is over before {parent:?} begins");
    }
    calls(&spans, &by_id)?;
    let batches = collector.spans().into_iter().filter(|span| span.name.ends_with(" batch"));
    let linked: BTreeSet<_> = batches.flat_map(|batch| batch.links).collect();
    let processed = spans.iter().filter(|span| span.name.starts_with("process "));
    ensure!(
        processed.clone().count() > 0 && processed.clone().all(|span| linked.contains(&span.id))
    );
    Ok(())
}

/// The provider was called twice. Of the order and its stock, whatever came last has led to the first call.
fn calls(spans: &[Span], by_id: &BTreeMap<Vec<u8>, &Span>) -> Result<()> {
    let calls = spans.iter().filter(|span| span.kind == SpanKind::Client);
    let calls: BTreeMap<_, _> = calls.map(|span| (span.name.as_str(), span)).collect();
    let names: Vec<_> = calls.keys().copied().collect();
    ensure!(names == ["authorize payment", "capture payment"], "{calls:?}");
    for call in calls.values() {
        let outcome = call.attributes.get("payment.outcome").map(String::as_str);
        ensure!(call.service == "payments" && outcome == Some("done"), "{call:?}");
        ensure!(!format!("{call:?}").contains("pm_card"), "{call:?} tells what is paid with");
    }
    let parent = calls["authorize payment"].parent.as_ref().and_then(|parent| by_id.get(parent));
    let parent = parent.context("nothing has led to the call")?;
    let may_lead = ["process inventory.v1", "process orders.v1"].contains(&parent.name.as_str());
    ensure!(parent.service == "payments" && may_lead, "{parent:?} has led to the call");
    Ok(())
}

fn steps(spans: &[Span]) -> BTreeSet<(&'static str, &'static str, &'static str)> {
    let named = |span: &Span| format!("{} {}", span.service, span.name);
    let by_id: BTreeMap<_, _> = spans.iter().map(|span| (span.id.clone(), named(span))).collect();
    let told: BTreeSet<(String, String)> = spans
        .iter()
        .map(|span| {
            let parent = span.parent.as_ref().and_then(|parent| by_id.get(parent));
            (parent.cloned().unwrap_or_default(), named(span))
        })
        .collect();
    let is_told = |(parent, service, name): &(&str, &str, &str)| {
        told.contains(&((*parent).to_owned(), format!("{service} {name}")))
    };
    STEPS.into_iter().filter(is_told).collect()
}

async fn command_line(stack: &Stack, order: &str) -> Result<()> {
    let program = stack.services.program("boutique");
    let urls = stack.description.urls().into_iter().map(|(name, url)| format!("{name}={url}"));
    let urls: Vec<_> = urls.collect();
    let shop = Shop::new(stack.description.urls())?;
    let admin = &stack.description.admin;
    let token = shop.sign_in(&admin.email, &admin.password).await?.token;
    let asked = async |arguments: &[&str]| {
        let mut command = Command::new(&program);
        command
            .env("KAFKA_BROKERS", &stack.description.kafka_brokers)
            .env("SERVICE_URLS", urls.join(","))
            .env("ACCESS_TOKEN", &token)
            .args(arguments);
        said(command).await
    };
    let story = asked(&["order", "trace", order]).await?;
    for word in ["OrderCreated", "InventoryReserved", "PaymentCaptured", "OrderCompleted"] {
        ensure!(story.contains(word), "no {word} in:\n{story}");
    }
    ensure!(story.contains("payments says: CAPTURED"), "{story}");
    ensure!(story.contains("OrderPlaced"), "orders says nothing in:\n{story}");
    // Every service has processed all there was, which is known once the offsets are committed.
    eventually(PATIENCE, async || {
        let lag = asked(&["lag"]).await.ok()?;
        let rows: Vec<Vec<&str>> =
            lag.lines().skip(1).map(|line| line.split_whitespace().collect()).collect();
        (rows.len() > 10 && rows.iter().all(|row| row[2] == "0")).then_some(())
    })
    .await;
    let outbox = asked(&["outbox"]).await?;
    let all_lead = outbox.matches(" yes").count() == SERVICES.len();
    ensure!(all_lead && !outbox.contains('?'), "{outbox}");
    let letters = asked(&["dlq"]).await?;
    ensure!(!letters.contains('?'), "{letters}");
    Ok(())
}

async fn other_language(stack: &Stack, order: &str) -> Result<()> {
    let example = checkout().join("examples/python");
    let python = python(&example.join("requirements.txt"), &say).await?;
    let mut command = Command::new(python);
    command
        .arg(example.join("orders.py"))
        .arg("--once")
        .env("KAFKA_BROKERS", &stack.description.kafka_brokers);
    let told = said(command).await?;
    let ends = told.lines().filter(|line| line.contains(order) && line.contains("OrderCompleted"));
    ensure!(ends.count() == 1, "{told}");
    Ok(())
}

async fn said(mut command: Command) -> Result<String> {
    let output = command.stdin(Stdio::null()).kill_on_drop(true).output();
    let output = tokio::time::timeout(PATIENCE, output).await.context("it does not end")??;
    let text = String::from_utf8([output.stdout, output.stderr].concat())?;
    ensure!(output.status.success(), "{command:?} failed:\n{text}");
    Ok(text)
}
