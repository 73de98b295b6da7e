//! What one stream tells: first what its client has not heard of, from the database, then what happens,
//! as it happens.
//!
//! A stream subscribes to the hub before it looks into the database. What is committed before the look
//! is found there, what is committed after it is published later still, and so reaches the hub: some of
//! it twice, none of it never.
//!
//! Each live event carries an id by which its client can go on after a break, at any replica: the time
//! at which the event was recorded. Times are not in the order of commits, since a transaction records
//! the time of its beginning and may take up to 20 seconds (`transaction_timeout`); nor do partitions
//! arrive evenly, the one whose broker is away being behind the others. So a client that has seen a time
//! may lack something older. Going on therefore means everything since [`MARGIN`] before that time.
//!
//! What is told from the database has no id, because it is in the order of orders, not of times; an id
//! alone follows once all of it is told. A client that loses the stream half way goes on from where it
//! went on before.

use std::collections::VecDeque;
use std::vec;

use chrono::{DateTime, TimeDelta, Utc};
use contracts::ids::CustomerId;
use sqlx::PgPool;
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep_until};
use uuid::Uuid;

use crate::hub::{Recorded, Subscription, Update};
use crate::sequence::Sequence;
use crate::store;

/// How far back of its last id a client is told again.
const MARGIN: TimeDelta = TimeDelta::minutes(2);

/// Orders a look into the database takes at once.
const PAGE: u32 = 500;

/// Looks of all streams at the same time: when thousands come back at once, orders go on meanwhile.
static LOOKS: Semaphore = Semaphore::const_new(4);

/// One thing a stream tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Item {
    /// From the database.
    Past(Update),
    /// Everything until this time has been told.
    Mark(DateTime<Utc>),
    /// Just now.
    Live(Recorded),
}

/// What one stream tells.
#[derive(Debug)]
pub struct Feed {
    subscription: Subscription,
    past: Option<Past>,
    page: vec::IntoIter<Update>,
    sequence: Sequence,
    ready: VecDeque<Recorded>,
}

/// The part of a feed that comes from the database.
#[derive(Debug)]
struct Past {
    pool: PgPool,
    customer: CustomerId,
    /// The client's last id: it gets every change since. With or without one it gets its open orders as
    /// they stand, which also tells the stream what to expect next of each.
    last_id: Option<DateTime<Utc>>,
    /// When the first look was.
    began: Option<DateTime<Utc>>,
    /// The last order of the page before.
    after: Uuid,
    done: bool,
}

impl Feed {
    /// A feed for a customer who has heard everything until `last_id`, or nothing yet.
    pub fn new(
        pool: PgPool,
        customer: CustomerId,
        subscription: Subscription,
        last_id: Option<DateTime<Utc>>,
    ) -> Self {
        let past = Past { pool, customer, last_id, began: None, after: Uuid::nil(), done: false };
        Self {
            subscription,
            past: Some(past),
            page: Vec::new().into_iter(),
            sequence: Sequence::default(),
            ready: VecDeque::new(),
        }
    }

    /// The next item; `None` where the client has to come back to hear more.
    pub async fn next(&mut self) -> Option<Item> {
        loop {
            if let Some(news) = self.ready.pop_front() {
                return Some(Item::Live(news));
            }
            if let Some(update) = self.page.next() {
                self.sequence.past(&update);
                return Some(Item::Past(update));
            }
            let Some(past) = &mut self.past else {
                self.listen().await?;
                continue;
            };
            match past.next_page().await {
                Ok(Page::Updates(page)) => self.page = page.into_iter(),
                Ok(Page::End(began)) => {
                    self.past = None;
                    return Some(Item::Mark(began));
                }
                Err(error) => {
                    let error = anyhow::Error::new(error);
                    tracing::warn!(
                        error = format!("{error:#}"),
                        customer = %past.customer,
                        "a stream cannot be resumed now"
                    );
                    return None;
                }
            }
        }
    }

    /// Waits for something to be ready; `None` once the stream fell too far behind.
    async fn listen(&mut self) -> Option<()> {
        let news = match self.sequence.next_due() {
            None => self.subscription.next().await,
            Some(due) => tokio::select! {
                news = self.subscription.next() => news,
                () = sleep_until(due) => {
                    self.sequence.overdue(due, &mut self.ready);
                    return Some(());
                }
            },
        };
        self.sequence.arrived(news?, Instant::now(), &mut self.ready);
        Some(())
    }
}

enum Page {
    Updates(Vec<Update>),
    /// There is no more; the first look was at that time.
    End(DateTime<Utc>),
}

impl Past {
    async fn next_page(&mut self) -> sqlx::Result<Page> {
        let _permit = LOOKS.acquire().await;
        let began = match self.began {
            Some(began) => began,
            None => *self.began.insert(store::now(&self.pool).await?),
        };
        if self.done {
            return Ok(Page::End(began));
        }
        let watch = store::Watch { customer: self.customer, after: self.after, limit: PAGE };
        let page = match self.last_id {
            // A time to come is none of ours; whatever its client has heard, it was not later than now.
            Some(last_id) => {
                store::changes_since(&self.pool, watch, last_id.min(began) - MARGIN).await?
            }
            None => store::open_orders(&self.pool, watch).await?,
        };
        self.done = page.orders < PAGE;
        self.after = page.updates.last().map_or(self.after, |update| update.order.as_uuid());
        Ok(Page::Updates(page.updates))
    }
}
