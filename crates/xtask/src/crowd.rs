//! Customers who place many orders at once, and see on their streams how each ends.

use std::{
    collections::HashSet,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Result, anyhow};
use tokio::{sync::watch, task::JoinSet, time::timeout};

use crate::{
    demo::stock_up,
    parts::Admin,
    shop::{Account, Shop},
};

/// Customers among whom the orders of a burst are shared out; each has a stream of changes.
const CUSTOMERS: usize = 16;
/// How long the last order of a burst may take to its end.
const PATIENCE: Duration = Duration::from_mins(5);

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
    let email = format!("crowd-{}@example.com", uuid::Uuid::now_v7());
    shop.sign_up(&email, "correct horse battery staple").await
}
