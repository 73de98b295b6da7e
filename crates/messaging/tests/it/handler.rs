//! A handler whose effects can be counted, and which fails as a test wants it to.

use std::sync::Arc;

use contracts::{
    events::{Event, EventType, ExpirationCompleted, StockChanged},
    ids::OrderId,
};
use messaging::{Handler, HandlerError, Received, Tx};
use tokio::sync::{Semaphore, watch};

/// What the handler does with an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reaction {
    Record,
    /// It says that the record can never be processed.
    Permanent,
    Transient,
    Panic,
    /// It hands Postgres a text that Postgres does not take.
    Nul,
    /// It runs into a unique constraint.
    Conflict,
    /// It passes over an error of Postgres.
    Swallow,
}

type React = Box<dyn Fn(&StockChanged) -> Reaction + Send + Sync>;

/// Writes down each event it is given, and publishes one for each.
pub struct Recorder {
    member: &'static str,
    react: React,
    gate: Option<Arc<Gate>>,
}

impl Recorder {
    pub fn new() -> Self {
        Self::named("only")
    }

    /// Its effects carry the name.
    pub fn named(member: &'static str) -> Self {
        Self { member, react: Box::new(|_| Reaction::Record), gate: None }
    }

    pub fn reacting(
        mut self,
        react: impl Fn(&StockChanged) -> Reaction + Send + Sync + 'static,
    ) -> Self {
        self.react = Box::new(react);
        self
    }

    /// Batches wait at the gate, after their effects and before the commit.
    pub fn gated(mut self, gate: &Arc<Gate>) -> Self {
        self.gate = Some(Arc::clone(gate));
        self
    }
}

impl Handler for Recorder {
    const HANDLES: &'static [EventType] = &[EventType::StockChanged];

    async fn handle(&self, tx: &mut Tx, events: &[Received]) -> Result<(), HandlerError> {
        let mut failure = Reaction::Record;
        let mut good = Vec::new();
        for received in events {
            let Event::StockChanged(change) = &received.event else {
                panic!("a {} was not asked for", received.event.event_type());
            };
            failure = (self.react)(change);
            if failure != Reaction::Record {
                break;
            }
            let effect = ExpirationCompleted {
                order_id: OrderId::from_uuid(received.id),
                expired_at: tx.now(),
                trace_id: received.trace.trace_id,
            };
            tx.publish(effect, &received.trace)?;
            good.push((received.id, change));
        }
        // First the effects, so that a failure has something to undo.
        self.record(tx, &good).await?;
        fail(failure, tx).await?;
        if let Some(gate) = &self.gate {
            gate.pass().await;
        }
        Ok(())
    }
}

impl Recorder {
    async fn record(
        &self,
        tx: &mut Tx,
        good: &[(uuid::Uuid, &StockChanged)],
    ) -> Result<(), HandlerError> {
        let ids: Vec<_> = good.iter().map(|(id, _)| *id).collect();
        let skus: Vec<_> = good.iter().map(|(_, change)| change.sku.as_str()).collect();
        let versions: Vec<_> =
            good.iter().map(|(_, change)| i64::try_from(change.version).unwrap()).collect();
        sqlx::query(
            "INSERT INTO seen (event_id, sku, version, member)
             SELECT id, sku, version, $4
             FROM UNNEST($1::uuid[], $2::text[], $3::bigint[]) WITH ORDINALITY AS row (id, sku, version, at)
             ORDER BY at",
        )
        .bind(ids)
        .bind(skus)
        .bind(versions)
        .bind(self.member)
        .execute(tx.conn())
        .await?;
        Ok(())
    }
}

async fn fail(reaction: Reaction, tx: &mut Tx) -> Result<(), HandlerError> {
    match reaction {
        Reaction::Record => Ok(()),
        Reaction::Permanent => {
            let cause = std::io::Error::other("the reason behind");
            Err(HandlerError::permanent(Outer(cause)))
        }
        Reaction::Transient => Err(sqlx::Error::PoolTimedOut.into()),
        Reaction::Panic => panic!("this record is not to the handler's taste"),
        Reaction::Nul => {
            sqlx::query("SELECT $1::text").bind("a\0b").execute(tx.conn()).await?;
            Ok(())
        }
        Reaction::Conflict => {
            sqlx::query(
                "INSERT INTO seen (event_id, sku, version, member)
                 SELECT $1, '', 0, '' FROM generate_series(1, 2)",
            )
            .bind(uuid::Uuid::nil())
            .execute(tx.conn())
            .await?;
            Ok(())
        }
        Reaction::Swallow => {
            let _ = sqlx::query("SELECT 1 / 0").execute(tx.conn()).await;
            Ok(())
        }
    }
}

#[derive(Debug)]
struct Outer(std::io::Error);

impl std::fmt::Display for Outer {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        f.write_str("the stock is not of this world")
    }
}

impl std::error::Error for Outer {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.0)
    }
}

/// Holds batches until it is opened, and tells how many have come to it.
pub struct Gate {
    arrived: watch::Sender<usize>,
    passes: Semaphore,
}

impl Gate {
    pub fn closed() -> Arc<Self> {
        Arc::new(Self { arrived: watch::Sender::new(0), passes: Semaphore::new(0) })
    }

    async fn pass(&self) {
        self.arrived.send_modify(|count| *count += 1);
        // An open gate is a closed semaphore: nobody waits any more.
        let _ = self.passes.acquire().await;
    }

    /// Waits until a batch has come to the gate.
    pub async fn reached(&self) {
        let mut arrived = self.arrived.subscribe();
        tokio::time::timeout(super::world::PATIENCE, arrived.wait_for(|count| *count > 0))
            .await
            .expect("a batch comes to the gate")
            .unwrap();
    }

    pub fn open(&self) {
        self.passes.close();
    }
}
