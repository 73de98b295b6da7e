//! What happened to payments, decided and kept.

use contracts::ids::{OrderId, PaymentId};
use messaging::{HandlerError, Tx};
use uuid::Uuid;

use crate::changes::{Change, Happened, changes};
use crate::due::{Due, lease};
use crate::payment::Payment;
use crate::store;

/// Records what happened: one query reads the payments and one writes what has changed, however many
/// there are. What the provider is to be asked goes to `due`.
pub async fn record(
    tx: &mut Tx,
    happened: Vec<Happened<'_>>,
    due: &Due,
) -> Result<(), HandlerError> {
    let orders: Vec<OrderId> = happened.iter().map(|happened| happened.order).collect();
    let known = store::lock(tx.conn(), &orders).await?;
    let now = tx.now();
    let (mut changes, events) = changes(known, happened, now, |order, trace| {
        let id = PaymentId::from_uuid(Uuid::now_v7());
        Payment::new(id, order, trace.unwrap_or_else(messaging::new_trace), now)
    });
    for (event, trace) in events {
        tx.publish(event, &trace)?;
    }
    save(tx, &mut changes, due).await
}

/// Keeps what has changed.
pub async fn save(tx: &mut Tx, changes: &mut [Change], due: &Due) -> Result<(), HandlerError> {
    if changes.is_empty() {
        return Ok(());
    }
    lease(due, tx, changes);
    store::save(tx.conn(), changes).await
}
