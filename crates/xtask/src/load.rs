//! How fast orders are, one at a time and as many as possible at once.

use std::{
    collections::HashSet,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context, Result, anyhow, ensure};
use test_support::stack::{Artifacts, Folders, Kafka, Postgres, checkout};
use tokio::{sync::watch, task::JoinSet, time::timeout};

use crate::{
    audit,
    batches::Batches,
    binaries::Profile,
    cpu::Costs,
    demo::stock_up,
    parts::{Admin, Description},
    ports::{Choice, KAFKA, POSTGRES},
    say,
    shop::{Account, Shop},
    stack::{self, Settings, Stack, Unsupervised},
};

/// Customers among whom the orders of a burst are shared out; each has a stream of changes.
const CUSTOMERS: usize = 16;
/// How long the last order of a burst may take to its end.
const PATIENCE: Duration = Duration::from_mins(5);

/// How `load` is run.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// Orders placed one after the other, for the time of one
    #[arg(long, default_value_t = 200)]
    idle: usize,
    /// Orders placed at once, for the rate
    #[arg(long, default_value_t = 5000)]
    orders: usize,
    /// Connections they are placed over
    #[arg(long, default_value_t = 64)]
    connections: usize,
    /// Stop Postgres, and then Kafka, for ten seconds each while they are placed
    #[arg(long)]
    outages: bool,
    /// Build the services without optimisation, which is quicker
    #[arg(long)]
    debug: bool,
}

/// Brings a stack of its own up, with nothing in it from before, measures on it, and audits what is
/// left in the databases.
///
/// # Errors
///
/// When an order was lost, or anything does not add up.
pub async fn command(options: &Options) -> Result<()> {
    let folders = Folders::new(&checkout(), NAME)?;
    let settings = Settings {
        name: NAME.to_owned(),
        profile: Profile::of(options.debug),
        ports: Choice::Free,
        variables: Vec::new(),
        fresh: true,
        unsupervised: if options.outages { Unsupervised::Servers } else { Unsupervised::None },
        kafka_nodes: 1,
        breakable: false,
    };
    stack::with(settings, async |Stack { description, .. }| {
        let shop = Shop::new(description.urls())?;
        let sku = stocked_sku(&shop, &description.admin).await?;

        say(&format!("\n{} orders, one at a time", options.idle));
        let times = one_at_a_time(&shop, &sku, options.idle).await?;
        say(&format!(
            "POST to COMPLETED on the stream: median {}, 99 % within {}",
            millis(percentile(&times, 50)),
            millis(percentile(&times, 99)),
        ));

        say(&format!("\n{} orders over {} connections", options.orders, options.connections));
        let crowd = Crowd::gather(&shop).await?;
        let (before, batches) = (Costs::now(&folders), Batches::now(&description.urls()).await?);
        let placing = crowd.burst(&shop, &sku, options.orders, options.connections);
        let burst = if options.outages {
            let outages = outages(&folders, description);
            let (burst, outages) = tokio::join!(placing, outages);
            outages?;
            burst?
        } else {
            placing.await?
        };
        say(&format!(
            "{} accepted in {:.2} s ({} requests repeated), {} ends seen on streams in {:.2} s: {:.0} orders/s",
            burst.accepted,
            burst.placed_in.as_secs_f64(),
            burst.repeats,
            burst.ended,
            burst.ended_in.as_secs_f64(),
            as_rate(burst.ended, burst.ended_in),
        ));
        let placed = u32::try_from(options.orders).unwrap_or(u32::MAX);
        Costs::now(&folders).tell_since(&before, placed);
        Batches::now(&description.urls()).await?.tell_since(&batches);
        ensure!(burst.accepted == options.orders, "not every order was accepted");
        audit::settled(description).await
    })
    .await
}

const NAME: &str = "load";

/// Postgres and then Kafka away for ten seconds each, with the load going on. In this order, because most
/// orders are yet to be placed when Postgres goes, and the last ones are placed while Kafka is away.
async fn outages(folders: &Folders, description: &Description) -> Result<()> {
    const AWAY: Duration = Duration::from_secs(10);
    let artifacts = Artifacts::ensure(&checkout(), &say).await?;
    let port = |part| description.ports.get(part).copied().context("the stack's own servers");
    tokio::time::sleep(Duration::from_secs(1)).await;
    say("Postgres stops");
    Postgres::stop_in(&folders.postgres()).await;
    tokio::time::sleep(AWAY).await;
    Postgres::start(&artifacts, &folders.postgres(), port(POSTGRES)?).await?;
    say("Postgres is back; Kafka stops a second later");
    tokio::time::sleep(Duration::from_secs(1)).await;
    Kafka::stop_in(&folders.kafka(1)).await;
    say("Kafka has stopped");
    tokio::time::sleep(AWAY).await;
    Kafka::start(&artifacts, &folders.kafka(1), port(KAFKA)?).await?;
    say("Kafka is back");
    Ok(())
}

/// A SKU of which there is enough for any load.
///
/// # Errors
///
/// When the shop has no products, or does not let its admin in.
pub async fn stocked_sku(shop: &Shop, admin: &Admin) -> Result<String> {
    let admin = shop.sign_in(&admin.email, &admin.password).await?;
    let [sku] = shop.skus(1).await?.try_into().map_err(|_| anyhow!("the catalogue is empty"))?;
    stock_up(shop, &admin, &sku, 1_000_000).await?;
    Ok(sku)
}

fn percentile(sorted: &[Duration], percent: usize) -> Duration {
    let last = sorted.len().saturating_sub(1);
    sorted.get(last * percent / 100).copied().unwrap_or_default()
}

fn millis(duration: Duration) -> String {
    format!("{:.1} ms", duration.as_secs_f64() * 1e3)
}

#[allow(clippy::cast_precision_loss, reason = "a rate for people")]
fn as_rate(count: usize, duration: Duration) -> f64 {
    count as f64 / duration.as_secs_f64()
}

/// What a burst of orders came to.
#[derive(Debug)]
pub struct Burst {
    /// Orders that were answered with 202.
    pub accepted: usize,
    /// Requests that were sent again, because a service was away.
    pub repeats: usize,
    /// Orders whose end was seen on a stream.
    pub ended: usize,
    /// From the first request to the last answer.
    pub placed_in: Duration,
    /// From the first request to the last end seen.
    pub ended_in: Duration,
}

/// Places `orders` orders one after the other; the time of each from the request to COMPLETED on the
/// stream, sorted.
pub async fn one_at_a_time(shop: &Shop, sku: &str, orders: usize) -> Result<Vec<Duration>> {
    let customer = new_customer(shop).await?;
    let mut changes = shop.changes(&customer).await?;
    let mut times = Vec::with_capacity(orders);
    for _ in 0..orders {
        let started = Instant::now();
        let order = shop.place_order(&customer, sku, 1, Some("pm_card_ok")).await?;
        loop {
            let change = timeout(PATIENCE, changes.next()).await.context("an order hangs")??;
            if change.order_id == order.id && change.is_terminal() {
                break;
            }
        }
        times.push(started.elapsed());
    }
    times.sort_unstable();
    Ok(times)
}

/// Customers whose streams are watched.
#[derive(Debug)]
pub struct Crowd {
    customers: Vec<Account>,
    /// Orders whose end was seen, and how many they are.
    ended: Arc<Mutex<HashSet<String>>>,
    counted: watch::Receiver<usize>,
    _watchers: JoinSet<()>,
}

impl Crowd {
    /// Signs them up and opens a stream for each.
    pub async fn gather(shop: &Shop) -> Result<Self> {
        let ended: Arc<Mutex<HashSet<String>>> = Arc::default();
        let (count, counted) = watch::channel(0);
        let mut watchers = JoinSet::new();
        let mut customers = Vec::with_capacity(CUSTOMERS);
        for _ in 0..CUSTOMERS {
            let customer = new_customer(shop).await?;
            let mut changes = shop.changes(&customer).await?;
            let (ended, count) = (Arc::clone(&ended), count.clone());
            watchers.spawn(async move {
                while let Ok(change) = changes.next().await {
                    if change.is_terminal() {
                        let mut ended = ended.lock().unwrap_or_else(PoisonError::into_inner);
                        ended.insert(change.order_id);
                        count.send_replace(ended.len());
                    }
                }
            });
            customers.push(customer);
        }
        Ok(Self { customers, ended, counted, _watchers: watchers })
    }

    /// Places `orders` orders over `connections` connections at once, repeating what is not answered,
    /// and waits for their ends.
    pub async fn burst(
        mut self,
        shop: &Shop,
        sku: &str,
        orders: usize,
        connections: usize,
    ) -> Result<Burst> {
        let started = Instant::now();
        let next = Arc::new(AtomicUsize::new(0));
        let mut workers = JoinSet::new();
        for _ in 0..connections {
            let (shop, sku) = (shop.clone(), sku.to_owned());
            let (next, customers) = (Arc::clone(&next), self.customers.clone());
            workers.spawn(async move {
                let (mut accepted, mut repeated) = (Vec::new(), 0);
                loop {
                    let position = next.fetch_add(1, Ordering::Relaxed);
                    if position >= orders {
                        return anyhow::Ok((accepted, repeated));
                    }
                    let customer = &customers[position % customers.len()];
                    let (order, repeats) =
                        shop.place_order_persistently(customer, &sku, Some("pm_card_ok")).await?;
                    accepted.push(order);
                    repeated += repeats;
                }
            });
        }
        let (mut accepted, mut repeats) = (HashSet::with_capacity(orders), 0);
        while let Some(worker) = workers.join_next().await {
            let (orders, repeated) = worker??;
            accepted.extend(orders);
            repeats += repeated;
        }
        let placed_in = started.elapsed();
        let all = self.counted.wait_for(|ended| *ended >= accepted.len());
        // Whether some are missing is for the audit to say.
        let _ = timeout(PATIENCE, all).await;
        let ended_in = started.elapsed();
        let ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        let ended = accepted.iter().filter(|order| ended.contains(*order)).count();
        Ok(Burst { accepted: accepted.len(), repeats, ended, placed_in, ended_in })
    }
}

async fn new_customer(shop: &Shop) -> Result<Account> {
    let email = format!("load-{}@example.com", uuid::Uuid::now_v7());
    shop.sign_up(&email, "correct horse battery staple").await
}
