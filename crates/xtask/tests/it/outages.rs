//! Kafka away, and Postgres away, under a whole stack.

mod routes;

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use futures_util::future::try_join_all;
use reqwest::StatusCode;
use reqwest::header::{CONTENT_TYPE, RETRY_AFTER};
use serde_json::Value;
use sqlx::{Connection, PgConnection};
use test_support::stack::{Artifacts, Kafka, Postgres, checkout, in_database};
use tokio::time::{Instant, sleep};
use xtask::{
    audit,
    binaries::Profile,
    crowd, demo,
    ports::{KAFKA, POSTGRES},
    say,
    shop::{Account, Shop},
    stack::{self, Settings, Stack, Unsupervised},
};

use self::routes::{Ask, Known};
use crate::alone;

/// Longer than every time-out of the clients: 10 s for a session of a group, 20 s for a connection, 30 s for
/// a request and for what is known of the topics. None begins later: what holds after these, holds
/// after a minute and after an hour.
const WITHOUT_KAFKA: Duration = Duration::from_secs(35);

/// How long any answer may take without Postgres: a request is given up after ten seconds, and the machine
/// may be busy.
const BOUND: Duration = Duration::from_secs(20);

/// What the sandbox signs its webhooks with.
const SECRET: &str = "whsec_of_this_test";

#[tokio::test(flavor = "multi_thread")]
async fn orders_are_accepted_without_kafka_and_requests_refused_soon_without_postgres() -> Result<()>
{
    let _alone = alone().await;
    let settings = Settings {
        // Nothing expires, so every order completes in the end.
        variables: vec![("payments", "SANDBOX_WEBHOOK_SECRET", SECRET.to_owned())],
        unsupervised: Unsupervised::Servers,
        ..demo::stage("outages", Profile::Debug)
    };
    stack::with(settings, async |stack| {
        let shop = Shop::new(stack.description.urls())?;
        let sku = crowd::stocked_sku(&shop, &stack.description.admin).await?;
        let customer = shop.sign_up("patient@example.com", "correct horse battery staple").await?;
        let placed = without_kafka(stack, &shop, &customer, &sku).await?;
        all_completed(stack, placed).await?;
        let placed = placed + without_postgres(stack, &shop, &customer, &sku).await?;
        all_completed(stack, placed).await
    })
    .await
}

/// Places orders all the time that Kafka is away; how many.
async fn without_kafka(stack: &Stack, shop: &Shop, customer: &Account, sku: &str) -> Result<usize> {
    let artifacts = Artifacts::ensure(&checkout(), &say).await?;
    let mut placed = Vec::new();
    Kafka::stop_in(&stack.folders.kafka(1)).await;
    let gone = Instant::now();
    while gone.elapsed() < WITHOUT_KAFKA {
        placed.push(shop.place_order(customer, sku, 1, Some("pm_card_ok")).await?.id);
        sleep(Duration::from_millis(250)).await;
    }
    let mut connection = connect(stack).await?;
    let open: i64 =
        sqlx::query_scalar("SELECT count(*) FROM orders.orders WHERE status = 'PENDING'")
            .fetch_one(&mut connection)
            .await?;
    ensure!(usize::try_from(open)? == placed.len(), "{open} are open: was Kafka away?");
    Kafka::start(&artifacts, &stack.folders.kafka(1), port(stack, KAFKA)?).await?;
    say(&format!("{} orders were accepted without Kafka", placed.len()));
    Ok(placed.len())
}

/// Asks every route for something while Postgres is away, which goes in the middle of some orders; how many.
async fn without_postgres(
    stack: &Stack,
    shop: &Shop,
    customer: &Account,
    sku: &str,
) -> Result<usize> {
    let artifacts = Artifacts::ensure(&checkout(), &say).await?;
    let asks = routes::all(&known(stack, shop, customer, sku).await?);
    every_route_is_asked(stack, &asks).await?;

    let placing = (0..50).map(|_| shop.place_order(customer, sku, 1, Some("pm_card_ok")));
    let placed = try_join_all(placing).await?.len();
    Postgres::stop_in(&stack.folders.postgres()).await;
    let urls = stack.description.urls();
    try_join_all(asks.iter().map(async |ask| {
        let refused = refused_soon(ask, &urls[ask.service]).await;
        refused.with_context(|| format!("{} {} of {}", ask.method, ask.path, ask.service))
    }))
    .await?;
    Postgres::start(&artifacts, &stack.folders.postgres(), port(stack, POSTGRES)?).await?;
    // And the one that is asked about.
    Ok(placed + 1)
}

/// That nothing is missing among what is asked: the documents of the services name every route.
async fn every_route_is_asked(stack: &Stack, asks: &[Ask]) -> Result<()> {
    let asked: BTreeSet<_> =
        asks.iter().map(|ask| (ask.method.to_string(), ask.route.to_owned())).collect();
    let mut documented = BTreeSet::new();
    for url in stack.description.urls().values() {
        let document: Value = reqwest::get(format!("{url}/openapi.json")).await?.json().await?;
        for (path, methods) in document["paths"].as_object().context("no paths")? {
            let methods = methods.as_object().context("no methods")?;
            documented.extend(methods.keys().map(|method| (method.to_uppercase(), path.clone())));
        }
    }
    documented.retain(|(_, path)| !routes::WITHOUT_DATABASE.contains(&path.as_str()));
    ensure!(asked == documented, "asked: {asked:?}; documented: {documented:?}");
    Ok(())
}

/// 503, as a problem that says when to try again.
async fn refused_soon(ask: &Ask, url: &str) -> Result<()> {
    let response = ask.request(url).timeout(BOUND).send().await?;
    let (status, headers) = (response.status(), response.headers().clone());
    let text = response.text().await?;
    ensure!(status == StatusCode::SERVICE_UNAVAILABLE, "{status}: {text}");
    ensure!(headers.get(CONTENT_TYPE).is_some_and(|it| it == "application/problem+json"), "{text}");
    let retry_after = headers.get(RETRY_AFTER).context("no Retry-After")?.to_str()?;
    ensure!(retry_after.parse::<u32>()? > 0, "Retry-After: {retry_after}");
    let problem: Value = serde_json::from_str(&text)?;
    ensure!(problem["status"] == 503 && problem["detail"].is_string(), "{problem}");
    Ok(())
}

async fn known(stack: &Stack, shop: &Shop, customer: &Account, sku: &str) -> Result<Known> {
    let admin = &stack.description.admin;
    let order = shop.place_order(customer, sku, 1, Some("pm_card_ok")).await?.id;
    all_settled(stack).await?;
    let url = format!("{}/api/payments/{order}", stack.description.urls()["payments"]);
    let payment = reqwest::Client::new().get(url).bearer_auth(&customer.token).send().await?;
    let payment: Value = payment.error_for_status()?.json().await?;
    Ok(Known {
        customer: customer.clone(),
        admin: shop.sign_in(&admin.email, &admin.password).await?,
        sku: sku.to_owned(),
        payment: payment["paymentId"].as_str().context("no payment")?.to_owned(),
        order,
    })
}

async fn all_settled(stack: &Stack) -> Result<()> {
    audit::settled(&stack.description).await
}

/// That so many orders, which is all of them, have completed, once everything has settled.
async fn all_completed(stack: &Stack, placed: usize) -> Result<()> {
    all_settled(stack).await?;
    let mut connection = connect(stack).await?;
    let ends: Vec<(String, i64)> =
        sqlx::query_as("SELECT status, count(*) FROM orders.orders GROUP BY status")
            .fetch_all(&mut connection)
            .await?;
    ensure!(
        ends == [("COMPLETED".to_owned(), i64::try_from(placed)?)],
        "{placed} placed: {ends:?}"
    );
    Ok(())
}

async fn connect(stack: &Stack) -> Result<PgConnection> {
    Ok(PgConnection::connect(&in_database(&stack.description.database_url, "boutique")).await?)
}

fn port(stack: &Stack, part: &str) -> Result<u16> {
    stack.description.ports.get(part).copied().context("the stack's own servers")
}
