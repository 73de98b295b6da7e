//! A stack with customers and stocked products on it.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use bench::{Arrivals, Mix, Plan};
use futures_util::{StreamExt, TryStreamExt, stream};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use sqlx::{Connection, PgConnection};
use test_support::stack::{SERVICES, in_database};

use crate::binaries::Profile;
use crate::database::DATABASE;
use crate::demo::stock_up;
use crate::parts;
use crate::ports::Choice;
use crate::say;
use crate::services::replica;
use crate::shop::{Account, Shop};
use crate::stack::{self, Settings, Stack, Unsupervised};

const NAME: &str = "bench";
/// SKUs that are sold out from the beginning.
const SOLD_OUT: usize = 10;
/// Enough of each SKU for any load.
const ON_HAND: u32 = 1_000_000;
/// Requests at once while the stage is set.
const AT_ONCE: usize = 16;
/// How long a service may take to hear of something.
const PATIENCE: Duration = Duration::from_mins(1);

/// How large the stage is.
#[derive(Debug, Clone, Copy)]
pub struct Shape {
    pub customers: usize,
    pub skus: usize,
    /// Of each topic.
    pub partitions: i32,
}

/// What is measured on.
pub struct Stage<'s> {
    pub stack: &'s Stack,
    pub generator: PathBuf,
    pub shop: Shop,
    pub admin: Account,
    pub customers: Vec<Account>,
    pub skus: Vec<String>,
    pub sold_out: Vec<String>,
}

/// Brings a stack up that is as durable as any, sets the stage, and runs `work` on it.
pub async fn with(
    shape: Shape,
    generator: &Path,
    work: impl AsyncFnOnce(&Stage<'_>) -> Result<()>,
) -> Result<()> {
    // The services inherit it, one of which has ten thousand streams open.
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard)?;
    let mut is_done = false;
    stack::with(settings(shape.partitions), async |stack| {
        let Shape { customers, skus, .. } = shape;
        say(&format!("signing {customers} customers up, and putting {skus} products on sale"));
        work(&Stage::set(stack, shape, generator.to_owned()).await?).await?;
        is_done = true;
        Ok(())
    })
    .await?;
    // To whoever keeps a stack up, being told to stop is no error.
    ensure!(is_done, "it was told to stop before everything was measured");
    Ok(())
}

fn settings(partitions: i32) -> Settings {
    let variable = |service, name, value: &str| (service, name, value.to_owned());
    Settings {
        name: NAME.to_owned(),
        profile: Profile::Release,
        ports: Choice::Free,
        variables: vec![
            variable("auth", "SIGN_UPS_PER_ADDRESS", "1000"),
            variable("auth", "ACCESS_TOKEN_SECONDS", "86400"),
            variable("orders", "ORDERS_PER_CUSTOMER", "100000"),
            variable("orders", "STREAMS_PER_CUSTOMER", "100"),
        ],
        fresh: true,
        unsupervised: Unsupervised::None,
        kafka_nodes: 1,
        partitions,
        breakable: false,
    }
}

impl<'s> Stage<'s> {
    async fn set(stack: &'s Stack, shape: Shape, generator: PathBuf) -> Result<Self> {
        let shop = Shop::new(stack.description.urls())?;
        let admin = &stack.description.admin;
        let admin = shop.sign_in(&admin.email, &admin.password).await?;
        let names =
            |what: &'static str, count| (0..count).map(move |n| format!("BENCH-{what}{n:04}"));
        let skus: Vec<String> = names("", shape.skus).collect();
        let sold_out: Vec<String> = names("SOLD-OUT-", SOLD_OUT).collect();

        let customers = stream::iter(0..shape.customers).map(|number| {
            let shop = &shop;
            async move {
                let email = format!("bench-{number}@example.com");
                shop.sign_up(&email, "correct horse battery staple").await
            }
        });
        let customers = customers.buffer_unordered(AT_ONCE).try_collect().await?;
        let products = skus.iter().chain(&sold_out).map(|sku| shop.create_product(&admin, sku));
        stream::iter(products).buffer_unordered(AT_ONCE).try_collect::<()>().await?;
        let levels =
            skus.iter().map(|sku| (sku, ON_HAND)).chain(sold_out.iter().map(|sku| (sku, 0)));
        let levels = levels.map(|(sku, on_hand)| stock_up(&shop, &admin, sku, on_hand));
        stream::iter(levels).buffer_unordered(AT_ONCE).try_collect::<()>().await?;

        let stage = Self { stack, generator, shop, admin, customers, skus, sold_out };
        stage.prices_known().await?;
        Ok(stage)
    }

    /// Waits until orders has heard of all prices, which it does by way of Kafka.
    async fn prices_known(&self) -> Result<()> {
        let mut database = self.database().await?;
        let since = Instant::now();
        loop {
            let known: i64 = sqlx::query_scalar(
                "SELECT count(*) FROM orders.prices WHERE active AND sku LIKE 'BENCH-%'",
            )
            .fetch_one(&mut database)
            .await?;
            if usize::try_from(known)? == self.skus.len() + self.sold_out.len() {
                return Ok(());
            }
            ensure!(since.elapsed() < PATIENCE, "orders does not hear of the prices");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// The superuser's connection to the services' database.
    pub async fn database(&self) -> Result<PgConnection> {
        let url = in_database(&self.stack.description.database_url, DATABASE);
        Ok(PgConnection::connect(&url).await?)
    }

    /// Where the first replica of a service listens.
    pub fn address(&self, service: &str) -> Result<SocketAddr> {
        let port = self.stack.description.ports.get(service).context("a service without a port")?;
        Ok(SocketAddr::from(([127, 0, 0, 1], *port)))
    }

    /// A plan that has all customers order all products.
    pub fn plan(&self, arrivals: Arrivals, mix: Mix) -> Result<Plan> {
        Ok(Plan {
            orders: vec![self.address("orders")?],
            payments: vec![self.address("payments")?],
            brokers: self.stack.description.kafka_brokers.clone(),
            topic_prefix: String::new(),
            customers: self.customers.iter().map(|account| account.token.clone()).collect(),
            skus: self.skus.clone(),
            empty_skus: self.sold_out.clone(),
            arrivals,
            mix,
            streams: None,
            seed: 1,
            patience_seconds: 120,
        })
    }

    /// Puts so many pieces of one product on sale that nobody else orders; its SKU.
    pub async fn stock_of_one(&self, on_hand: u32) -> Result<String> {
        let sku = format!("BENCH-HOT-{}", uuid::Uuid::now_v7().simple());
        self.shop.create_product(&self.admin, &sku).await?;
        stock_up(&self.shop, &self.admin, &sku, on_hand).await?;
        let mut database = self.database().await?;
        let since = Instant::now();
        let known = "SELECT EXISTS (SELECT FROM orders.prices WHERE active AND sku = $1)";
        while !sqlx::query_scalar(known).bind(&sku).fetch_one(&mut database).await? {
            ensure!(since.elapsed() < PATIENCE, "orders does not hear of the price");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(sku)
    }

    /// The memory that a service has resident now, in MiB.
    pub fn rss_mib(&self, service: &str) -> f64 {
        let process = parts::process(&self.stack.folders, service);
        let status = process.map(|process| format!("/proc/{}/status", process.pid()));
        let status = status.and_then(|path| std::fs::read_to_string(path).ok()).unwrap_or_default();
        let kib = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        kib.and_then(|kib| kib.split_whitespace().next()?.parse::<f64>().ok()).unwrap_or_default()
            / 1024.0
    }

    /// Lets the peak of each process's memory be that of what follows.
    pub fn forget_peaks(&self) {
        for process in parts_of().filter_map(|name| parts::process(&self.stack.folders, &name)) {
            process.forget_peak();
        }
    }
}

/// The names of all parts that may run: servers, and each replica of each service.
pub fn parts_of() -> impl Iterator<Item = String> {
    let services = SERVICES.into_iter();
    let replicas =
        services.flat_map(|of| (1..=crate::services::MAX_REPLICAS).map(move |n| replica(of, n)));
    [crate::ports::POSTGRES, crate::ports::KAFKA].map(str::to_owned).into_iter().chain(replicas)
}
