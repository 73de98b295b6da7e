//! Places orders when they are due, and goes on with those of which the customer has more to say.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::Result;
use bytes::Bytes;
use contracts::ids::OrderId;
use http_body_util::Full;
use hyper::{Request, StatusCode};
use tokio::time::sleep;
use tokio_util::task::TaskTracker;

use crate::ledger::Ledger;
use crate::mix::Kind;
use crate::moments::{Clock, due};
use crate::orders::{NewOrder, Orders, id};
use crate::plan::{Arrivals, Plan};
use crate::pool::Pool;

/// How soon a customer who was told to come later does so.
const AGAIN: Duration = Duration::from_millis(100);
/// How long they do.
const PATIENCE: Duration = Duration::from_mins(2);

/// Whoever places the orders.
#[derive(Debug)]
pub struct Crowd {
    orders: Orders,
    to_orders: Pool,
    to_payments: Pool,
    ledger: Arc<Ledger>,
    tasks: TaskTracker,
}

impl Crowd {
    pub fn new(plan: &Plan, ledger: Arc<Ledger>) -> Result<Arc<Self>> {
        let connections = plan.arrivals.connections();
        Ok(Arc::new(Self {
            orders: Orders::new(plan)?,
            to_orders: Pool::new(plan.orders.clone(), connections),
            to_payments: Pool::new(plan.payments.clone(), connections),
            ledger,
            tasks: TaskTracker::new(),
        }))
    }

    /// Places orders for as long as they arrive; returns when all are answered.
    pub async fn run(self: &Arc<Self>, arrivals: Arrivals) -> Result<()> {
        match arrivals {
            Arrivals::Closed { connections, seconds, orders } => {
                let until = Instant::now() + Duration::from_secs_f64(seconds);
                self.closed(connections, until, orders.unwrap_or(u64::MAX)).await;
            }
            Arrivals::Open { rate, seconds, .. } => {
                self.open(rate, Duration::from_secs_f64(seconds)).await?;
            }
        }
        self.ledger.stopped();
        self.tasks.close();
        self.tasks.wait().await;
        Ok(())
    }

    /// Connections to orders that were open at once.
    pub fn connections(&self) -> usize {
        self.to_orders.most()
    }

    async fn closed(self: &Arc<Self>, connections: usize, until: Instant, orders: u64) {
        let next = Arc::new(AtomicU64::new(0));
        let workers = TaskTracker::new();
        for _ in 0..connections {
            let (crowd, next) = (Arc::clone(self), Arc::clone(&next));
            workers.spawn(async move {
                while Instant::now() < until {
                    let position = next.fetch_add(1, Ordering::Relaxed);
                    if position >= orders {
                        break;
                    }
                    if !crowd.place(position, Instant::now()).await {
                        // A service that is overloaded is not asked again at once.
                        sleep(AGAIN).await;
                    }
                }
            });
        }
        workers.close();
        workers.wait().await;
    }

    async fn open(self: &Arc<Self>, rate: f64, length: Duration) -> Result<()> {
        let (clock, start) = (Clock::new()?, Instant::now());
        for position in 0.. {
            let after = due(rate, position);
            if after >= length {
                break;
            }
            let moment = start + after;
            clock.until(moment).await?;
            let crowd = Arc::clone(self);
            self.tasks.spawn(async move {
                crowd.place(position, moment).await;
            });
        }
        Ok(())
    }

    /// Places an order; whether it was accepted.
    async fn place(self: &Arc<Self>, position: u64, due: Instant) -> bool {
        let placed = self.try_to_place(position, due).await;
        if let Err(error) = &placed {
            self.ledger.failed(error);
        }
        placed.unwrap_or(false)
    }

    async fn try_to_place(self: &Arc<Self>, position: u64, due: Instant) -> Result<bool> {
        let NewOrder { kind, customer, request } = self.orders.order(position)?;
        self.ledger.sent();
        let answer = self.to_orders.ask(request).await?;
        if answer.status != StatusCode::ACCEPTED {
            self.ledger.refused(answer.status);
            return Ok(false);
        }
        let order = id(&answer.body)?;
        self.ledger.accepted(order, customer, due);
        if matches!(kind, Kind::Cancelled | Kind::PaidLater) {
            let crowd = Arc::clone(self);
            // Beside the orders that follow: those of a closed loop do not wait for it.
            self.tasks.spawn(async move {
                if let Err(error) = crowd.follow_up(kind, customer, order).await {
                    crowd.ledger.failed(&error);
                }
            });
        }
        Ok(true)
    }

    /// Cancels or pays an order, again and again where the service is busy or has not heard of it yet.
    async fn follow_up(&self, kind: Kind, customer: usize, order: OrderId) -> Result<()> {
        let begun = Instant::now();
        loop {
            let (pool, request): (_, Request<Full<Bytes>>) = match kind {
                Kind::PaidLater => (&self.to_payments, self.orders.pay(customer, order)?),
                _ => (&self.to_orders, self.orders.cancel(customer, order)?),
            };
            let answer = pool.ask(request).await?;
            if answer.status.is_success() {
                return Ok(());
            }
            if begun.elapsed() > PATIENCE || !may_succeed_later(answer.status) {
                let body = String::from_utf8_lossy(&answer.body);
                anyhow::bail!("{order} was answered with {}: {body}", answer.status);
            }
            sleep(AGAIN).await;
        }
    }
}

fn may_succeed_later(status: StatusCode) -> bool {
    let busy = [StatusCode::NOT_FOUND, StatusCode::CONFLICT, StatusCode::TOO_MANY_REQUESTS];
    status.is_server_error() || busy.contains(&status)
}
