//! A payment as a row, and rows as the arrays that a batch is written from.

use contracts::events::PaymentFailureReason;
use contracts::ids::{CustomerId, OrderId, PaymentId};
use contracts::money::Money;
use contracts::trace::TraceContext;
use sqlx::postgres::{PgArguments, PgRow};
use sqlx::query::Query;
use sqlx::{FromRow, Postgres, Row as _};

use crate::cause::OrderEnd;
use crate::changes::Change;
use crate::payment::{Bill, Payment, State};

impl FromRow<'_, PgRow> for Payment {
    fn from_row(row: &PgRow) -> sqlx::Result<Self> {
        let state: String = row.try_get("state")?;
        let order_end: Option<String> = row.try_get("order_end")?;
        let attempt: i32 = row.try_get("attempt")?;
        let failure: Option<String> = row.try_get("failure")?;
        let trace: String = row.try_get("traceparent")?;
        Ok(Self {
            id: PaymentId::from_uuid(row.try_get("payment_id")?),
            order: OrderId::from_uuid(row.try_get("order_id")?),
            bill: bill(row)?,
            method: row.try_get("method")?,
            reserved: row.try_get("reserved")?,
            order_end: order_end
                .map(|text| named(&OrderEnd::ALL, OrderEnd::as_str, &text))
                .transpose()?,
            state: named(&State::ALL, State::as_str, &state)?,
            due_at: row.try_get("due_at")?,
            attempt: attempt.try_into().map_err(unreadable)?,
            reference: row.try_get("reference")?,
            failure: failure.map(|reason| reason.as_str().into()),
            trace: TraceContext::parse(&trace).map_err(unreadable)?,
            version: row.try_get("version")?,
            created_at: row.try_get("created_at")?,
            updated_at: row.try_get("updated_at")?,
        })
    }
}

fn bill(row: &PgRow) -> sqlx::Result<Option<Bill>> {
    let (Some(customer), Some(minor), Some(currency)) = (
        row.try_get("customer_id")?,
        row.try_get("amount_minor")?,
        row.try_get::<Option<String>, _>("currency")?,
    ) else {
        return Ok(None);
    };
    let amount = Money { minor, currency: currency.parse().map_err(unreadable)? };
    Ok(Some(Bill { customer: CustomerId::from_uuid(customer), amount }))
}

/// Binds an array a column, in the order of the columns.
pub(super) fn bind<'q>(
    statement: Query<'q, Postgres, PgArguments>,
    changes: &[&'q Change],
) -> sqlx::Result<Query<'q, Postgres, PgArguments>> {
    fn column<'q, T>(changes: &[&'q Change], of: impl Fn(&'q Payment) -> T) -> Vec<T> {
        changes.iter().map(|change| of(&change.payment)).collect()
    }

    let attempts: Result<Vec<i32>, _> =
        column(changes, |p| i32::try_from(p.attempt)).into_iter().collect();
    let attempts = attempts.map_err(|error| sqlx::Error::Encode(error.into()))?;
    Ok(statement
        .bind(column(changes, |p| p.order.as_uuid()))
        .bind(column(changes, |p| p.id.as_uuid()))
        .bind(column(changes, |p| p.bill.map(|bill| bill.customer.as_uuid())))
        .bind(column(changes, |p| p.bill.map(|bill| bill.amount.minor)))
        .bind(column(changes, |p| p.bill.map(|bill| bill.amount.currency.code())))
        .bind(column(changes, |p| p.method.as_deref()))
        .bind(column(changes, |p| p.reserved))
        .bind(column(changes, |p| p.order_end.map(OrderEnd::as_str)))
        .bind(column(changes, |p| p.state.as_str()))
        .bind(column(changes, |p| p.due_at))
        .bind(attempts)
        .bind(column(changes, |p| p.reference.as_deref()))
        .bind(column(changes, |p| p.failure.as_ref().map(PaymentFailureReason::as_str)))
        .bind(column(changes, |p| p.trace.to_string()))
        .bind(column(changes, |p| p.version))
        .bind(column(changes, |p| p.created_at))
        .bind(column(changes, |p| p.updated_at)))
}

/// The member of a closed set that has this name.
fn named<T: Copy>(all: &[T], name: fn(T) -> &'static str, text: &str) -> sqlx::Result<T> {
    let found = all.iter().copied().find(|&member| name(member) == text);
    found.ok_or_else(|| sqlx::Error::Decode(format!("{text:?} is no known name").into()))
}

fn unreadable(error: impl std::error::Error + Send + Sync + 'static) -> sqlx::Error {
    sqlx::Error::Decode(error.into())
}
