//! What happened to payments, decided and kept.

use std::sync::Arc;

use contracts::ids::{OrderId, PaymentId};
use messaging::{HandlerError, Tx};
use tokio::sync::Notify;
use uuid::Uuid;

use crate::changes::{Change, Happened, changes};
use crate::payment::Payment;
use crate::store;

/// Records what happened: one query reads the payments and one writes what has changed, however many
/// there are. `due` wakes the worker where there is something to ask.
pub async fn record(
    tx: &mut Tx,
    happened: Vec<Happened<'_>>,
    due: &Arc<Notify>,
) -> Result<(), HandlerError> {
    let orders: Vec<OrderId> = happened.iter().map(|happened| happened.order).collect();
    let known = store::lock(tx.conn(), &orders).await?;
    let now = tx.now();
    let (changes, events) = changes(known, happened, now, |order, trace| {
        let id = PaymentId::from_uuid(Uuid::now_v7());
        Payment::new(id, order, trace.unwrap_or_else(messaging::new_trace), now)
    });
    for (event, trace) in events {
        tx.publish(event, &trace)?;
    }
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
