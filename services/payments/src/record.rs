//! What happened to payments, decided and kept.

use std::collections::BTreeMap;
use std::sync::Arc;

use contracts::ids::{OrderId, PaymentId};
use contracts::trace::TraceContext;
use messaging::{HandlerError, Tx};
use tokio::sync::Notify;
use uuid::Uuid;

use crate::cause::Cause;
use crate::payment::{Payment, decide};
use crate::store::{self, Change};

/// Something that happened to an order's payment. Without a trace it is the answer to what another
/// trace has led to, and belongs to that one.
#[derive(Debug, Clone)]
pub struct Happened<'e> {
    pub order: OrderId,
    pub cause: Cause<'e>,
    pub trace: Option<TraceContext>,
}

/// Folds what happened over the payments, in order: one query reads them and one writes what has
/// changed, however many there are. `due` wakes the worker where there is something to ask.
pub async fn record(
    tx: &mut Tx,
    happened: Vec<Happened<'_>>,
    due: &Arc<Notify>,
) -> Result<(), HandlerError> {
    let orders: Vec<OrderId> = happened.iter().map(|happened| happened.order).collect();
    let known = store::lock(tx.conn(), &orders).await?;
    let mut changes: BTreeMap<OrderId, Change> =
        known.into_iter().map(|payment| (payment.order, Change::none(payment))).collect();
    let now = tx.now();
    for Happened { order, cause, trace } in happened {
        let change = changes.entry(order).or_insert_with(|| {
            let id = PaymentId::from_uuid(Uuid::now_v7());
            let trace = trace.unwrap_or_else(messaging::new_trace);
            Change::none(Payment::new(id, order, trace, now))
        });
        let trace = trace.unwrap_or(change.payment.trace);
        let Some(decision) = decide(&change.payment, cause, trace, now) else { continue };
        change.payment = decision.payment;
        if let Some(event) = decision.event {
            tx.publish(event, &trace)?;
        }
    }
    let changes: Vec<Change> = changes.into_values().filter(Change::is_one).collect();
    save(tx, &changes, due).await
}

/// Keeps what has changed.
pub async fn save(tx: &mut Tx, changes: &[Change], due: &Arc<Notify>) -> Result<(), HandlerError> {
    if changes.is_empty() {
        return Ok(());
    }
    store::save(tx.conn(), changes).await?;
    let now = tx.now();
    if changes.iter().any(|change| change.payment.due_at.is_some_and(|due_at| due_at <= now)) {
        tx.wake_after_commit(due);
    }
    Ok(())
}
