//! Every replica of every service is told to stop and started again, while customers are served.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use futures_util::future::try_join_all;
use reqwest::{Client, RequestBuilder, Response, StatusCode};
use serde_json::{Value, json};
use test_support::eventually;
use test_support::stack::SERVICES;
use tokio::task::JoinSet;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;
use xtask::{
    audit,
    binaries::Profile,
    chaos::{Replicas, Target},
    crowd, demo, say,
    shop::{Account, Shop},
    stack::{self, Settings, Stack, Unsupervised},
};

use crate::alone;

/// Customers who place one order after the other.
const CUSTOMERS: usize = 6;

const PATIENCE: Duration = Duration::from_mins(1);

#[tokio::test(flavor = "multi_thread")]
async fn a_rolling_restart_of_every_service_loses_no_request() -> Result<()> {
    let _alone = alone().await;
    let settings = Settings {
        // Nothing expires, so every order completes in the end.
        variables: Vec::new(),
        unsupervised: Unsupervised::All,
        ..demo::stage("rolling", Profile::Debug)
    };
    stack::with(settings, restart_under_load).await
}

async fn restart_under_load(stack: &Stack) -> Result<()> {
    let replicas = Replicas::start(stack, 2).await?;
    let shop = Shop::of_replicas(replicas.urls())?;
    let sku = crowd::stocked_sku(&shop, &stack.description.admin).await?;
    let proxy = Arc::new(Proxy::before(replicas.urls())?);
    let enough = CancellationToken::new();
    let ended: Arc<Mutex<BTreeSet<String>>> = Arc::default();
    let (mut customers, mut streams) = (JoinSet::new(), JoinSet::new());
    for number in 0..CUSTOMERS {
        let email = format!("rolling-{number}@example.com");
        let customer = shop.sign_up(&email, "correct horse battery staple").await?;
        let (mut changes, ended) = (shop.changes(&customer).await?, Arc::clone(&ended));
        streams.spawn(async move {
            while let Ok(change) = changes.next().await {
                if change.is_terminal() {
                    ended.lock().unwrap().insert(change.order_id);
                }
            }
        });
        let (proxy, sku, enough) = (Arc::clone(&proxy), sku.clone(), enough.clone());
        customers.spawn(async move {
            let mut orders = Vec::new();
            while !enough.is_cancelled() {
                orders.push(proxy.one_order(&customer, &sku).await?);
            }
            anyhow::Ok(orders)
        });
    }

    let restarting = async {
        for number in [1, 2] {
            try_join_all(SERVICES.map(|service| restart(&replicas, Target { service, number })))
                .await?;
        }
        anyhow::Ok(())
    };
    let outcome = tokio::select! {
        restarted = restarting => restarted,
        // None ends before it is told to.
        Some(failed) = customers.join_next() => failed?.map(drop).context("a request failed"),
    };
    enough.cancel();
    outcome?;
    let mut accepted = BTreeSet::new();
    while let Some(orders) = customers.join_next().await {
        accepted.extend(orders?.context("a request failed")?);
    }
    let second = proxy.second_tries.load(Ordering::Relaxed);
    say(&format!(
        "{} orders accepted; {second} requests went to the other replica",
        accepted.len()
    ));
    ensure!(accepted.len() > CUSTOMERS, "there was no load");

    audit::settled(&stack.description).await?;
    let kept = audit::kept(&stack.description.database_url).await?.orders;
    let kept: BTreeSet<_> = kept.keys().map(ToString::to_string).collect();
    ensure!(kept == accepted, "accepted: {accepted:?}; kept: {kept:?}");
    eventually(PATIENCE, async || accepted.is_subset(&ended.lock().unwrap()).then_some(())).await;
    Ok(())
}

/// As a roll-out does: the old one ends, within ten seconds, before the new one begins.
async fn restart(replicas: &Replicas<'_>, target: Target) -> Result<()> {
    ensure!(replicas.terminate(target).await, "{target} did not stop within 10 s");
    replicas.start_again(target).await
}

/// Two replicas of each service, of which the other one is asked where one does not answer.
struct Proxy {
    http: Client,
    urls: BTreeMap<String, Vec<String>>,
    turn: AtomicUsize,
    second_tries: AtomicUsize,
}

impl Proxy {
    fn before(urls: BTreeMap<String, Vec<String>>) -> Result<Self> {
        let http = Client::builder().timeout(PATIENCE).build()?;
        Ok(Self { http, urls, turn: AtomicUsize::new(0), second_tries: AtomicUsize::new(0) })
    }

    /// Places an order, pays it, and looks at everything there is to see of it.
    async fn one_order(&self, customer: &Account, sku: &str) -> Result<String> {
        let key = Uuid::now_v7().to_string();
        let order = json!({"items": [{"sku": sku, "qty": 1}]});
        let placed = self.ask("orders", |http, url| {
            let request = http.post(format!("{url}/api/orders")).header("idempotency-key", &key);
            request.bearer_auth(&customer.token).json(&order)
        });
        let placed: Value = expect(placed.await?, StatusCode::ACCEPTED).await?;
        let id = placed["id"].as_str().context("an order without an id")?.to_owned();
        for (service, path) in [
            ("orders", format!("/api/orders/{id}")),
            ("products", format!("/api/products/{sku}")),
            ("inventory", format!("/api/stock/{sku}")),
            ("auth", "/api/users/me".to_owned()),
            ("notification", "/api/notifications".to_owned()),
        ] {
            let shown = self.ask(service, |http, url| {
                http.get(format!("{url}{path}")).bearer_auth(&customer.token)
            });
            expect(shown.await?, StatusCode::OK).await?;
        }
        let payment = json!({"orderId": id, "paymentMethod": "pm_card_ok"});
        loop {
            let paid = self.ask("payments", |http, url| {
                let request = http.post(format!("{url}/api/payments/pay"));
                request.bearer_auth(&customer.token).json(&payment)
            });
            let paid = paid.await?;
            // Payments may not have heard of the order yet.
            if paid.status() != StatusCode::NOT_FOUND {
                // Where the answer to the first try was lost, it is paid already.
                if paid.status() != StatusCode::CONFLICT {
                    expect(paid, StatusCode::ACCEPTED).await?;
                }
                return Ok(id);
            }
            sleep(Duration::from_millis(50)).await;
        }
    }

    /// Asks one replica and, where that does not answer, the other.
    async fn ask(
        &self,
        service: &str,
        request: impl Fn(&Client, &str) -> RequestBuilder,
    ) -> Result<Response> {
        let urls = &self.urls[service];
        let first = self.turn.fetch_add(1, Ordering::Relaxed) % urls.len();
        let answer = request(&self.http, &urls[first]).send().await;
        match answer {
            Ok(response) if !response.status().is_server_error() => return Ok(response),
            Ok(_) | Err(_) => {}
        }
        self.second_tries.fetch_add(1, Ordering::Relaxed);
        let second = request(&self.http, &urls[(first + 1) % urls.len()]).send().await;
        second
            .with_context(|| format!("neither replica of {service} answers; the first: {answer:?}"))
    }
}

async fn expect(response: Response, status: StatusCode) -> Result<Value> {
    let (actual, url) = (response.status(), response.url().clone());
    let text = response.text().await?;
    if actual != status {
        bail!("{url} answered {actual}: {text}");
    }
    Ok(serde_json::from_str(&text)?)
}
