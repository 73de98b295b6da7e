//! Customers who place orders of every kind, and watch them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Result;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval};
use uuid::Uuid;

use super::leaks::Secret;
use super::requests::Answers;
use super::streams::Seen;
use crate::demo::stock_up;
use crate::parts::Admin;
use crate::shop::{Account, Shop};

const CUSTOMERS: usize = 8;
/// Units of the product that all want and few get.
const HOT_STOCK: u32 = 50;

/// What a customer is up to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Pays,
    PaysLater,
    WantsTheHotProduct,
    IsDeclined,
    Cancels,
    Forgets,
    AsksTwice,
    HasASlowBank,
}

impl Kind {
    /// Most orders are ordinary.
    fn draw(random: &mut StdRng) -> Self {
        match random.random_range(0..20) {
            0..8 => Self::Pays,
            8..10 => Self::PaysLater,
            10..13 => Self::WantsTheHotProduct,
            13..15 => Self::IsDeclined,
            15..17 => Self::Cancels,
            17 => Self::Forgets,
            18 => Self::AsksTwice,
            _ => Self::HasASlowBank,
        }
    }

    fn method(self) -> Option<&'static str> {
        match self {
            Self::Pays | Self::WantsTheHotProduct | Self::AsksTwice => Some("pm_card_ok"),
            Self::IsDeclined => Some("pm_card_declined"),
            Self::HasASlowBank => Some("pm_card_timeout"),
            Self::PaysLater | Self::Cancels | Self::Forgets => None,
        }
    }
}

/// The orders that were accepted.
#[derive(Debug, Default)]
pub struct Accepted {
    /// Every answer.
    pub answers: Answers,
    kinds: BTreeMap<Kind, u32>,
}

impl fmt::Display for Accepted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kinds = self.kinds.iter().map(|(kind, count)| format!("{kind:?} {count}"));
        write!(f, "{} ({})", self.count(), kinds.collect::<Vec<_>>().join(", "))
    }
}

impl Accepted {
    /// How many there are.
    pub fn count(&self) -> usize {
        self.answers.values().flatten().collect::<BTreeSet<_>>().len()
    }
}

/// The customers, each with a stream that is opened again whenever it breaks.
pub struct Traffic {
    shop: Shop,
    customers: Vec<Account>,
    sku: String,
    hot: String,
    drawn_from: u64,
    seen: Arc<Mutex<Seen>>,
    secrets: Vec<Secret>,
    _streams: JoinSet<()>,
}

impl Traffic {
    /// Signs customers up and opens their streams; of `product` there is enough.
    pub async fn open(
        shop: &Shop,
        admin: &Admin,
        product: String,
        drawn_from: u64,
    ) -> Result<Self> {
        let admin = shop.sign_in(&admin.email, &admin.password).await?;
        let skus = shop.skus(2).await?;
        let Some(hot) = skus.into_iter().find(|other| *other != product) else {
            anyhow::bail!("the catalogue has one product only")
        };
        stock_up(shop, &admin, &hot, HOT_STOCK).await?;
        let seen: Arc<Mutex<Seen>> = Arc::default();
        let (mut customers, mut streams) = (Vec::new(), JoinSet::new());
        let mut secrets = Vec::new();
        for number in 0..CUSTOMERS {
            // Like nothing else, to be looked for in the logs.
            let email = format!("chaos-{number}-{}@example.com", Uuid::now_v7().simple());
            let password = format!("open sesame {}", Uuid::now_v7().simple());
            let customer = shop.sign_up(&email, &password).await?;
            secrets.push(Secret::new("a customer's address", &email));
            secrets.push(Secret::new("a customer's password", &password));
            let mut changes = shop.changes(&customer).await?;
            let seen = Arc::clone(&seen);
            streams.spawn(async move {
                while let Ok(change) = changes.next().await {
                    let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
                    let theirs = seen.entry(email.clone()).or_default();
                    theirs.insert(change);
                }
            });
            customers.push(customer);
        }
        Ok(Self {
            shop: shop.clone(),
            customers,
            sku: product,
            hot,
            drawn_from,
            seen,
            secrets,
            _streams: streams,
        })
    }

    /// What customers and the admin signed in with, and got for it, each time.
    pub fn secrets(&self) -> Vec<Secret> {
        let accounts = self.shop.accounts();
        let tokens = accounts.iter().flat_map(tokens);
        self.secrets.iter().cloned().chain(tokens).collect()
    }

    /// What the streams have told so far.
    pub fn seen(&self) -> Seen {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Places so many orders a second until then, and returns when the last one is answered.
    pub async fn place(&self, rate: u32, until: Instant) -> Result<Accepted> {
        let mut random = StdRng::seed_from_u64(self.drawn_from);
        let mut ticks = interval(Duration::from_secs(1) / rate);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
        let mut orders = JoinSet::new();
        let mut accepted = Accepted::default();
        while Instant::now() < until {
            ticks.tick().await;
            let kind = Kind::draw(&mut random);
            let customer = self.customers[random.random_range(0..self.customers.len())].clone();
            let sku = if kind == Kind::WantsTheHotProduct { &self.hot } else { &self.sku };
            orders.spawn(order(self.shop.clone(), customer, sku.clone(), kind));
            while let Some(placed) = orders.try_join_next() {
                accepted.add(placed??);
            }
        }
        while let Some(placed) = orders.join_next().await {
            accepted.add(placed??);
        }
        Ok(accepted)
    }
}

impl Accepted {
    fn add(&mut self, Placed { email, key, answers, kind }: Placed) {
        self.answers.entry((email, key)).or_default().extend(answers);
        *self.kinds.entry(kind).or_default() += 1;
    }
}

/// What a customer was answered under a key.
struct Placed {
    email: String,
    key: String,
    answers: Vec<String>,
    kind: Kind,
}

/// One order from its placing to what its customer does with it. Requests are repeated until they are answered.
async fn order(shop: Shop, customer: Account, sku: String, kind: Kind) -> Result<Placed> {
    let key = Uuid::now_v7().to_string();
    let place = || shop.place_order_under(&key, &customer, &sku, kind.method());
    let answers = if kind == Kind::AsksTwice {
        let ((first, _), (second, _)) = tokio::try_join!(place(), place())?;
        vec![first, second]
    } else {
        vec![place().await?.0]
    };
    if matches!(kind, Kind::PaysLater | Kind::Cancels) {
        act(&shop, &customer, &answers[0], kind).await;
    }
    Ok(Placed { email: customer.email, key, answers, kind })
}

fn tokens(account: &Account) -> [Secret; 2] {
    [
        Secret::new("an access token", &account.token),
        Secret::new("a refresh token", &account.refresh_token),
    ]
}

/// Pays or cancels, and tries for a while. An order that has ended meanwhile refuses, so that neither works
/// in the end is no failure.
async fn act(shop: &Shop, customer: &Account, id: &str, kind: Kind) {
    const PATIENCE: Duration = Duration::from_secs(5);
    let end = Instant::now() + PATIENCE;
    while Instant::now() < end {
        let acting = async {
            match kind {
                Kind::Cancels => shop.cancel(customer, id).await,
                _ => shop.pay(customer, id, "pm_card_ok").await,
            }
        };
        if let Ok(Ok(())) = tokio::time::timeout(PATIENCE, acting).await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}
