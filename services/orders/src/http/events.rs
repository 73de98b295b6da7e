//! The stream of a customer's news, as server-sent events.

use std::convert::Infallible;
use std::time::Duration;

use axum::extract::State;
use axum::http::header::CACHE_CONTROL;
use axum::http::{HeaderMap, HeaderName};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Utc};
use contracts::events::{OrderStatus, OrderStep};
use contracts::ids::OrderId;
use futures_util::stream::{self, StreamExt};
use serde::Serialize;
use service_kit::http::Problem;
use service_kit::tokens::Caller;
use utoipa::ToSchema;

use super::App;
use crate::feed::{Feed, Item};
use crate::hub::{TooManyStreams, Update};

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
const ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

const HEARTBEAT: Duration = Duration::from_secs(15);

/// How soon a client comes back after a break.
const RETRY: Duration = Duration::from_secs(1);

/// How soon a client comes back that had too many streams open.
const RETRY_WHEN_TOO_MANY: Duration = Duration::from_secs(10);

/// How long a request waits for the process to hear of everything; at most seconds after its start.
const POSITION_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a stream may last: its access token, looked at when it was opened, does not hold for ever.
/// Some seconds are added, so that streams opened together do not end together.
const LIFETIME: Duration = Duration::from_mins(15);
const SPREAD_SECONDS: u64 = 120;

/// One change of an order.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct OrderChange {
    /// The order.
    #[schema(value_type = String, example = "ord_01h455vb4pex5vsknk084sn02q")]
    order_id: OrderId,
    /// Whether and how it ended: `PENDING`, `COMPLETED`, `FAILED` or `CANCELLED`.
    #[schema(value_type = String, example = "PENDING")]
    status: OrderStatus,
    /// How far it is: `CREATED`, `INVENTORY_RESERVED`, `PAYMENT_AUTHORIZED`, or as the status.
    #[schema(value_type = String, example = "INVENTORY_RESERVED")]
    step: OrderStep,
    /// The order's version: a change whose version was seen before is a repeat.
    version: u32,
    /// When it changed.
    at: DateTime<Utc>,
    /// Why it failed (`OUT_OF_STOCK`, `PAYMENT_FAILED`) or was cancelled (`CUSTOMER`, `EXPIRED`).
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
}

/// Every change of the caller's own orders, as it happens, as server-sent events.
///
/// Without Last-Event-ID the stream begins with the orders that are open, as they stand. With it, it
/// begins with every change since, at whichever replica and after any restart. Changes of one order come
/// in their order; some come twice, none is left out. The server ends a stream now and then, and expects
/// its client to come back.
#[utoipa::path(
    get,
    path = "/api/orders/events",
    tag = "orders",
    params((
        "Last-Event-ID" = Option<String>, Header,
        description = "The id of the last event of an earlier stream, as it was given"
    )),
    responses(
        (
            status = 200, description = "Events, each with an OrderChange as its data",
            body = OrderChange, content_type = "text/event-stream"
        ),
        (status = 429, description = "The caller has too many streams open")
    ),
    security(("bearer" = []), ("cookie" = []))
)]
pub async fn events(
    State(app): State<App>,
    caller: Caller,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let last_id = last_event_id(&headers)?;
    if tokio::time::timeout(POSITION_TIMEOUT, app.hub.until_positioned()).await.is_err() {
        return Err(Problem::unavailable(
            "News of orders cannot be told now; try again in a second.",
        ));
    }
    let subscription = app.hub.subscribe(caller.customer).map_err(|error| match error {
        TooManyStreams::OfCustomer(_) => {
            let detail = format!("You have too many streams open: {error}.");
            Problem::too_many("too-many-streams", detail, RETRY_WHEN_TOO_MANY)
        }
        TooManyStreams::OfAll(_) => {
            Problem::unavailable("As many streams are open as can be told; try again in a second.")
        }
    })?;
    let lifetime = LIFETIME + Duration::from_secs(subscription.id % SPREAD_SECONDS);
    // From here on a failure ends the stream instead of the request: after an answer other than 200
    // browsers do not come back.
    let feed = Feed::new(app.outbox.pool().clone(), caller.customer, subscription, last_id);

    let shutdown = app.shutdown.clone();
    let end = async move {
        // Whichever comes first.
        let _ = shutdown.run_until_cancelled(tokio::time::sleep(lifetime)).await;
    };
    let first = stream::once(async { Event::default().retry(RETRY) });
    let rest = stream::unfold(feed, async |mut feed| Some((event(feed.next().await?), feed)));
    let events = first.chain(rest).map(Ok::<_, Infallible>).take_until(Box::pin(end));
    let heartbeat = KeepAlive::new().interval(HEARTBEAT).text("heartbeat");
    let headers = [(CACHE_CONTROL, "no-store"), (ACCEL_BUFFERING, "no")];
    Ok((headers, Sse::new(events).keep_alive(heartbeat)).into_response())
}

fn event(item: Item) -> Event {
    match item {
        Item::Past(update) => change(update),
        Item::Mark(time) => Event::default().id(id(time)),
        Item::Live((recorded, update)) => change(update).id(id(recorded)),
    }
}

fn change(update: Update) -> Event {
    let state = update.state;
    let change = OrderChange {
        order_id: update.order,
        status: state.status(),
        step: state.step(),
        version: update.version,
        at: update.at,
        reason: state.reason(),
    };
    // A struct of strings and numbers; were it no JSON after all, a comment is skipped by clients.
    Event::default().json_data(change).unwrap_or_else(|_| Event::default().comment("unprintable"))
}

fn id(time: DateTime<Utc>) -> String {
    time.timestamp_micros().to_string()
}

/// An id that is none of ours is refused: to begin afresh would leave a gap that nobody notices. Browsers
/// only send back what they were given.
pub(super) fn last_event_id(headers: &HeaderMap) -> Result<Option<DateTime<Utc>>, Problem> {
    let Some(value) = headers.get(LAST_EVENT_ID).filter(|value| !value.is_empty()) else {
        return Ok(None);
    };
    let micros = value.to_str().ok().and_then(|text| text.parse().ok()).filter(|id| *id >= 0);
    micros.and_then(DateTime::from_timestamp_micros).map(Some).ok_or_else(|| {
        Problem::invalid_parameter(
            "Last-Event-ID",
            "The Last-Event-ID must be the id of an event of this stream, as it was given; send none \
             to begin with the open orders.",
        )
    })
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn read(value: &'static str) -> Result<Option<i64>, String> {
        let headers = HeaderMap::from_iter([(LAST_EVENT_ID, HeaderValue::from_static(value))]);
        last_event_id(&headers)
            .map(|time| time.map(|time| time.timestamp_micros()))
            .map_err(|problem| problem.field().unwrap_or_default().to_owned())
    }

    #[test]
    fn ids_come_back() {
        let time = DateTime::from_timestamp_micros(1_755_253_800_123_456).unwrap();
        assert_eq!(id(time), "1755253800123456");
        assert_eq!(read("1755253800123456"), Ok(Some(1_755_253_800_123_456)));
        assert_eq!(read(""), Ok(None));
        assert!(last_event_id(&HeaderMap::new()).unwrap().is_none());
    }

    #[test]
    fn what_is_no_id_is_refused() {
        for wrong in ["x", "-1", "1.5", "9223372036854775808", "9223372036854775807", "1 2"] {
            assert_eq!(read(wrong), Err("Last-Event-ID".to_owned()), "{wrong}");
        }
    }
}
