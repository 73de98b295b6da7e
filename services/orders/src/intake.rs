//! Placing orders together: a commit a request would be a flush a request.
//!
//! Requests wait in one bounded queue. One task takes whatever waits there into a single transaction and
//! answers each after its commit; while that is on its way the next ones gather. So a busy service
//! places hundreds of orders at once, and an idle one waits for nobody.

use std::collections::HashMap;

use chrono::TimeDelta;
use contracts::ids::OrderId;
use messaging::{Linger, Outbox, PublishError, in_time};
use tokio::sync::{mpsc, oneshot};

use crate::figures;
use crate::idempotency::{self, Claim, Owned, RequestHash};
use crate::ids::Ids;
use crate::placement::{NewOrder, PlacedOrder};
use crate::quote::{self, Refusal};
use crate::{prices, store};

/// Requests that may wait. More than a database can place in a second would only wait in vain.
const QUEUE: usize = 1024;

/// Orders a transaction places at most.
const BATCH: usize = 256;

/// Where requests to place an order wait. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Intake {
    queue: mpsc::Sender<Waiting>,
}

/// The task that places them.
#[derive(Debug)]
pub struct IntakeTask {
    queue: mpsc::Receiver<Waiting>,
    outbox: Outbox,
    expiry: TimeDelta,
    ids: Ids,
}

/// The answer to a request that led to an order.
#[derive(Debug, Clone)]
pub struct Placed {
    /// The order as it was placed.
    pub order: PlacedOrder,
    /// Whether an earlier request, with the same key, has placed it.
    pub replayed: bool,
}

/// Why no order was placed, or none that is known of.
#[derive(Debug, Clone, thiserror::Error)]
pub enum PlaceError {
    /// The order cannot be placed as it was asked for.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// An order was placed under this key by another request.
    #[error("the idempotency key was used for another request")]
    KeyReused,
    /// Another request with this key is being worked on.
    #[error("a request with this idempotency key is in flight")]
    InFlight,
    /// The queue is full.
    #[error("too many orders are waiting to be placed")]
    Busy,
    /// The transaction failed, or how it ended is not known.
    #[error("the order could not be placed now")]
    Unavailable,
}

#[derive(Debug)]
struct Waiting {
    request: NewOrder,
    answer: oneshot::Sender<Result<Placed, PlaceError>>,
}

/// Why a transaction failed for all its requests.
#[derive(Debug, thiserror::Error)]
enum BatchError {
    #[error("the database failed")]
    Database(#[from] sqlx::Error),
    #[error("an event cannot be published")]
    Publish(#[from] PublishError),
}

/// An intake and its task. An order that has not ended `expiry` after it was placed is cancelled.
pub fn intake(outbox: Outbox, expiry: TimeDelta) -> (Intake, IntakeTask) {
    let (sender, queue) = mpsc::channel(QUEUE);
    (Intake { queue: sender }, IntakeTask { queue, outbox, expiry, ids: Ids::default() })
}

impl Intake {
    /// Places an order; returns once it is committed.
    pub async fn place(&self, request: NewOrder) -> Result<Placed, PlaceError> {
        let (answer, answered) = oneshot::channel();
        self.queue.try_send(Waiting { request, answer }).map_err(|_full| PlaceError::Busy)?;
        answered.await.unwrap_or(Err(PlaceError::Unavailable))
    }
}

impl IntakeTask {
    /// Places what is asked for until every [`Intake`] is gone, so that what waits at shutdown is
    /// answered still.
    pub async fn run(mut self) -> anyhow::Result<()> {
        let mut waiting = Vec::with_capacity(BATCH);
        let mut linger = Linger::new();
        while self.queue.recv_many(&mut waiting, BATCH).await > 0 {
            linger.begin(waiting.len(), waiting.len() == BATCH);
            // Whoever has gone away would not learn of the order.
            let (requests, answers): (Vec<_>, Vec<_>) = waiting
                .drain(..)
                .filter(|waiting| !waiting.answer.is_closed())
                .map(|waiting| (waiting.request, waiting.answer))
                .unzip();
            if requests.is_empty() {
                continue;
            }
            self.ids.turn();
            let size = u32::try_from(requests.len()).unwrap_or(u32::MAX);
            metrics::histogram!("intake_batch_orders").record(f64::from(size));
            let outcomes = in_time(self.place(&requests)).await.unwrap_or_else(|error| {
                let error = anyhow::Error::new(error);
                tracing::warn!(
                    error = format!("{error:#}"),
                    requests = requests.len(),
                    "orders could not be placed"
                );
                vec![Err(PlaceError::Unavailable); requests.len()]
            });
            for (answer, outcome) in answers.into_iter().zip(outcomes) {
                // Nobody to answer is nobody's loss: the order is placed, or it is not.
                drop(answer.send(outcome));
            }
            linger.over().await;
        }
        Ok(())
    }

    /// Places orders in one transaction; the outcomes are in the order of the requests. On an error
    /// none is placed, unless only the news of the commit was lost.
    async fn place(
        &self,
        requests: &[NewOrder],
    ) -> Result<Vec<Result<Placed, PlaceError>>, BatchError> {
        let mut tx = self.outbox.begin().await?;
        let mut keys = Keys::claim(&mut tx, requests).await?;
        let skus = requests.iter().flat_map(|request| &request.lines).map(|line| &line.sku);
        let prices = prices::load(tx.conn(), skus).await?;
        let now = tx.now();

        let mut placed = Vec::with_capacity(requests.len());
        let outcomes: Vec<_> = requests
            .iter()
            .map(|request| {
                if let Some(known) = keys.outcome(request) {
                    return known;
                }
                let quote = quote::quote(&request.lines, &prices)?;
                let id = self.ids.draw();
                let order = PlacedOrder::new(id, request, quote, now, self.expiry);
                keys.used_for(request, &order);
                placed.push(order.clone());
                Ok(Placed { order, replayed: false })
            })
            .collect();

        if !placed.is_empty() {
            store::insert(tx.conn(), &placed).await?;
            idempotency::remember(tx.conn(), &keys.new).await?;
            figures::placed(&mut tx, placed.len());
        }
        for order in &placed {
            tx.publish(order.created(), &order.trace)?;
        }
        tx.commit().await?;
        Ok(outcomes)
    }
}

/// The keys of a batch, and what is known under each.
struct Keys<'r> {
    claims: HashMap<Owned<'r>, Claim>,
    /// Orders placed under the used ones, by this batch or earlier.
    orders: HashMap<OrderId, PlacedOrder>,
    /// Used by this batch.
    new: Vec<(Owned<'r>, RequestHash, OrderId)>,
}

impl<'r> Keys<'r> {
    async fn claim(tx: &mut messaging::Tx, requests: &'r [NewOrder]) -> sqlx::Result<Self> {
        let mut owned: Vec<Owned<'r>> = requests.iter().filter_map(owned).collect();
        owned.sort_unstable();
        owned.dedup();
        let claims = idempotency::claim(tx.conn(), &owned).await?;
        let used: Vec<_> = claims
            .iter()
            .filter_map(|claim| match claim {
                Claim::Used { order, .. } => Some(*order),
                Claim::Free | Claim::InFlight => None,
            })
            .collect();
        let mut orders = HashMap::new();
        if !used.is_empty() {
            let found = store::find(tx.conn(), &used).await?;
            orders.extend(found.into_iter().map(|order| (order.order.id, order.when_placed())));
        }
        let claims = owned.into_iter().zip(claims).collect();
        Ok(Self { claims, orders, new: Vec::new() })
    }

    /// The outcome of a request whose key has been used before, or is being used.
    fn outcome(&self, request: &NewOrder) -> Option<Result<Placed, PlaceError>> {
        let key = request.key.as_ref()?;
        let (hash, order) = match *self.claims.get(&owned(request)?)? {
            Claim::Free => return None,
            Claim::InFlight => return Some(Err(PlaceError::InFlight)),
            Claim::Used { hash, order } => (hash, order),
        };
        if hash != key.hash {
            return Some(Err(PlaceError::KeyReused));
        }
        let order = self.orders.get(&order)?.clone();
        Some(Ok(Placed { order, replayed: true }))
    }

    /// Later requests of this batch see it, too.
    fn used_for(&mut self, request: &'r NewOrder, order: &PlacedOrder) {
        if let (Some(owned), Some(key)) = (owned(request), &request.key) {
            let id = order.order.id;
            self.claims.insert(owned, Claim::Used { hash: key.hash, order: id });
            self.orders.insert(id, order.clone());
            self.new.push((owned, key.hash, id));
        }
    }
}

fn owned(request: &NewOrder) -> Option<Owned<'_>> {
    request.key.as_ref().map(|key| (request.customer, &key.key))
}

#[cfg(test)]
mod tests {
    use contracts::events::Line;
    use contracts::ids::CustomerId;
    use contracts::trace::TraceContext;
    use futures_util::future::join_all;
    use sqlx::postgres::PgPoolOptions;
    use uuid::Uuid;

    use super::*;

    fn request() -> NewOrder {
        NewOrder {
            customer: CustomerId::from_uuid(Uuid::nil()),
            lines: vec![Line { sku: "MUG".parse().unwrap(), qty: 1 }],
            payment_method: None,
            key: None,
            trace: TraceContext::new([1; 16], [1; 8]),
        }
    }

    #[tokio::test]
    async fn a_full_queue_refuses_at_once_and_what_waits_is_answered_when_the_task_is_gone() {
        let pool = PgPoolOptions::new().connect_lazy("postgres://nobody@127.0.0.1:1/none").unwrap();
        let (intake, task) = intake(Outbox::new(pool, "orders"), TimeDelta::seconds(900));
        let requests = join_all((0..=QUEUE).map(|_| intake.place(request())));
        let (outcomes, ()) = tokio::join!(requests, async move { drop(task) });
        let busy = |outcome: &&Result<_, _>| matches!(outcome, Err(PlaceError::Busy));
        assert_eq!(outcomes.iter().filter(busy).count(), 1);
        assert!(matches!(outcomes[QUEUE], Err(PlaceError::Busy)));
        assert!(matches!(outcomes[0], Err(PlaceError::Unavailable)));
    }
}
