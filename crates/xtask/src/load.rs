//! How fast orders are, one at a time and as many as possible at once.

use std::{
    collections::HashSet,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use tokio::{
    sync::watch,
    task::JoinSet,
    time::timeout,
};

use crate::shop::{Account, Shop};

/// Customers among whom the orders of a burst are shared out; each has a stream of changes.
const CUSTOMERS: usize = 16;
/// How long the last order of a burst may take to its end.
const PATIENCE: Duration = Duration::from_secs(300);

/// What a burst of orders came to.
#[derive(Debug)]
pub struct Burst {
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

/// Places `orders` orders over `connections` connections at once, repeating what is not answered, and
/// waits for their ends.
pub async fn burst(shop: &Shop, sku: &str, orders: usize, connections: usize) -> Result<Burst> {
    let ended: Arc<Mutex<HashSet<String>>> = Arc::default();
    let (count, mut counted) = watch::channel(0);
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

    let started = Instant::now();
    let next = Arc::new(AtomicUsize::new(0));
    let mut workers = JoinSet::new();
    for _ in 0..connections {
        let (shop, sku) = (shop.clone(), sku.to_owned());
        let (next, customers) = (Arc::clone(&next), customers.clone());
        workers.spawn(async move {
            let (mut accepted, mut repeated) = (Vec::new(), 0);
            loop {
                let position = next.fetch_add(1, Ordering::Relaxed);
                if position >= orders {
                    return anyhow::Ok((accepted, repeated));
                }
                let customer = &customers[position % customers.len()];
                let (order, repeats) =
                    shop.place_order_persistently(customer, &sku, "pm_card_ok").await?;
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
    let all = counted.wait_for(|ended| *ended >= accepted.len());
    // Whether some are missing is for the audit to say.
    let _ = timeout(PATIENCE, all).await;
    let ended_in = started.elapsed();
    let ended = ended.lock().unwrap_or_else(PoisonError::into_inner);
    let ended = accepted.iter().filter(|order| ended.contains(*order)).count();
    Ok(Burst { accepted: accepted.len(), repeats, ended, placed_in, ended_in })
}

async fn new_customer(shop: &Shop) -> Result<Account> {
    let email = format!("load-{}@example.com", uuid::Uuid::now_v7());
    shop.sign_up(&email, "correct horse battery staple").await
}
