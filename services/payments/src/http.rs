//! Payments over HTTP.

mod dto;

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use contracts::events::Role;
use contracts::ids::{CustomerId, OrderId};
use messaging::Outbox;
use service_kit::http::{Json, Path, Problem, Trace};
use service_kit::tokens::Caller;
use tokio::sync::Notify;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use self::dto::{PayOrder, PaymentBody};
use crate::error;
use crate::payment::{Bill, Payment, pay};
use crate::provider::Provider;
use crate::record;
use crate::store::{self, Change};

/// What the handlers work with.
#[derive(Clone)]
pub struct Till {
    pub outbox: Outbox,
    pub provider: Provider,
    /// Wakes the worker.
    pub due: Arc<Notify>,
}

/// The routes of this service.
pub fn routes(till: Till) -> OpenApiRouter {
    OpenApiRouter::new().routes(routes!(pay_order)).routes(routes!(get_payment)).with_state(till)
}

/// Pays an order of the caller's. The provider is asked as soon as the order's stock is set aside; the
/// outcome is seen on the payment, and on the order.
#[utoipa::path(
    post,
    path = "/api/payments/pay",
    request_body = PayOrder,
    responses((status = 202, body = PaymentBody)),
    security(("bearer" = []), ("cookie" = [])),
)]
async fn pay_order(
    State(till): State<Till>,
    caller: Caller,
    Trace(trace): Trace,
    Json(wish): Json<PayOrder>,
) -> Result<(StatusCode, Json<PaymentBody>), Problem> {
    if !till.provider.knows(&wish.payment_method) {
        return Err(error::unknown_method());
    }
    let mut tx = till.outbox.begin().await?;
    let found = store::lock(tx.conn(), &[wish.order_id]).await?.pop();
    let (payment, bill) = visible(found, wish.order_id, |owner| owner == caller.customer)?;
    let decision = pay(&payment, &wish.payment_method, trace, tx.now())?;
    let mut change = Change::none(payment);
    if let Some(decision) = decision {
        change.payment = decision.payment;
        let changes = std::slice::from_ref(&change);
        record::save(&mut tx, changes, &till.due).await.map_err(Problem::internal)?;
    }
    tx.commit().await?;
    Ok((StatusCode::ACCEPTED, Json(PaymentBody::new(change.payment, bill))))
}

/// The payment of an order: one's own, or any for admins.
#[utoipa::path(
    get,
    path = "/api/payments/{orderId}",
    params(("orderId" = String, Path, description = "The order's id")),
    responses((status = 200, body = PaymentBody)),
    security(("bearer" = []), ("cookie" = [])),
)]
async fn get_payment(
    State(till): State<Till>,
    caller: Caller,
    Path(order): Path<OrderId>,
) -> Result<Json<PaymentBody>, Problem> {
    let found = store::find(till.outbox.pool(), order).await?;
    let may_see = |owner| caller.role == Role::Admin || owner == caller.customer;
    let (payment, bill) = visible(found, order, may_see)?;
    Ok(Json(PaymentBody::new(payment, bill)))
}

/// A payment whose owner is known, and may be shown.
fn visible(
    found: Option<Payment>,
    order: OrderId,
    may_see: impl Fn(CustomerId) -> bool,
) -> Result<(Payment, Bill), Problem> {
    found
        .and_then(|payment| payment.bill.map(|bill| (payment, bill)))
        .filter(|(_, bill)| may_see(bill.customer))
        .ok_or_else(|| error::unknown(order))
}
