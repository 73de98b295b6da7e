//! Payments over HTTP.

mod dto;

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use chrono::Utc;
use contracts::events::Role;
use contracts::ids::{CustomerId, OrderId};
use messaging::Outbox;
use service_kit::http::{Json, Path, Problem, Trace};
use service_kit::tokens::Caller;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use self::dto::{PayOrder, PaymentBody};
use crate::cause::Cause;
use crate::changes::{Change, Happened};
use crate::due::Due;
use crate::error;
use crate::payment::{Bill, Payment, pay};
use crate::provider::Provider;
use crate::record;
use crate::store;
use crate::webhook::{self, Webhook};

/// What the handlers work with.
#[derive(Clone)]
pub struct Till {
    pub outbox: Outbox,
    pub provider: Provider,
    /// Where what the provider is to be asked goes.
    pub due: Due,
    /// What the provider signs its webhooks with; without it none are taken.
    pub webhook_secret: Option<Arc<str>>,
}

/// The routes of this service.
pub fn routes(till: Till) -> OpenApiRouter {
    OpenApiRouter::new()
        .routes(routes!(pay_order))
        .routes(routes!(get_payment))
        .routes(routes!(take_webhook))
        .with_state(till)
}

/// Pays an order of the caller's. The provider is asked as soon as the order's stock is set aside; the
/// outcome is seen on the payment, and on the order.
#[utoipa::path(
    post,
    path = "/api/payments/pay",
    request_body = PayOrder,
    responses(
        (status = 202, body = PaymentBody),
        (status = 404, description = "The caller has no such order"),
        (status = 409, description = "The order has ended, or is paid otherwise"),
    ),
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
        let changes = std::slice::from_mut(&mut change);
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

/// Takes an answer that the provider gives by itself, signed with the secret it shares with this
/// service. To send it again changes nothing.
#[utoipa::path(
    post,
    path = "/api/payments/webhooks/{provider}",
    params(
        ("provider" = String, Path, description = "The provider's name"),
        ("webhook-signature" = String, Header, description = "`t=<seconds since 1970>,v1=<hex>`: \
            HMAC-SHA256 of the seconds, a full stop and the body"),
    ),
    request_body = Webhook,
    responses((status = 204, description = "Taken")),
)]
async fn take_webhook(
    State(till): State<Till>,
    Path(provider): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<StatusCode, Problem> {
    let secret = till.webhook_secret.filter(|_| provider == till.provider.name());
    let secret = secret.ok_or_else(error::no_webhooks)?;
    let signature = headers.get(webhook::SIGNATURE).and_then(|value| value.to_str().ok());
    webhook::verify(&secret, signature.unwrap_or_default(), &body, Utc::now())?;
    let webhook = Json::<Webhook>::read(&body)?;

    let mut tx = till.outbox.begin().await?;
    let order = webhook.order_id;
    let found = store::lock(tx.conn(), &[order]).await?.pop();
    if found.is_none_or(|payment| payment.id != webhook.payment_id) {
        return Err(error::unknown_payment());
    }
    let happened = vec![Happened { order, cause: Cause::Answered(webhook.answer()?), trace: None }];
    record::record(&mut tx, happened, &till.due).await.map_err(Problem::internal)?;
    tx.commit().await?;
    Ok(StatusCode::NO_CONTENT)
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
