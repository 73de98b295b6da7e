//! The stream of a customer's news.

use reqwest::{Method, RequestBuilder, Response, StatusCode};
use serde_json::{Value, json};
use service_kit::testing::{TestCaller, TestService};
use tokio::time::timeout;

use crate::running::{Orders, PATIENCE, authorized, out_of_stock, problem, reserved};

const PATH: &str = "/api/orders/events";

/// A client as browsers are.
struct Stream {
    response: Response,
    unread: String,
    last_id: Option<String>,
}

impl Stream {
    async fn open(orders: &Orders, caller: &TestCaller, last_id: Option<&str>) -> Self {
        Self::open_at(orders, &orders.service, caller, last_id).await
    }

    async fn open_at(
        orders: &Orders,
        at: &TestService,
        caller: &TestCaller,
        last_id: Option<&str>,
    ) -> Self {
        let mut request = orders.http.get(format!("{}{PATH}", at.url)).bearer_auth(&caller.token);
        if let Some(id) = last_id {
            request = request.header("last-event-id", id);
        }
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        Self { response, unread: String::new(), last_id: last_id.map(str::to_owned) }
    }

    /// The next event's fields; `None` at the end of the stream.
    async fn frame(&mut self) -> Option<Vec<(String, String)>> {
        loop {
            if let Some(end) = self.unread.find("\n\n") {
                let frame: String = self.unread.drain(..end + 2).collect();
                let fields = frame.trim_end().lines().map(|line| line.split_once(": ").unwrap());
                let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
                return Some(fields.map(owned).collect());
            }
            let chunk = self.response.chunk().await.unwrap()?;
            self.unread.push_str(std::str::from_utf8(&chunk).unwrap());
        }
    }

    /// The next change; `None` at the end of the stream.
    async fn change(&mut self) -> Option<Value> {
        timeout(PATIENCE, self.wait_for_change()).await.expect("a change, or the end")
    }

    async fn wait_for_change(&mut self) -> Option<Value> {
        loop {
            let mut data = None;
            for (name, value) in self.frame().await? {
                match name.as_str() {
                    "id" => self.last_id = Some(value),
                    "data" => data = Some(serde_json::from_str(&value).unwrap()),
                    "retry" => assert_eq!(value, "1000"),
                    "" => {}
                    other => panic!("a field {other}: browsers would not see a message"),
                }
            }
            if data.is_some() {
                return data;
            }
        }
    }

    /// Reads until everything from before the stream has been told; returns it.
    async fn past(&mut self) -> Vec<Value> {
        let (before, mut past) = (self.last_id.clone(), Vec::new());
        while self.last_id == before {
            let frame = timeout(PATIENCE, self.frame()).await.expect("the past, and its end");
            for (name, value) in frame.expect("the past, and its end") {
                match name.as_str() {
                    "id" => self.last_id = Some(value),
                    "data" => past.push(serde_json::from_str(&value).unwrap()),
                    _ => {}
                }
            }
        }
        past
    }
}

/// What tells one change from another.
fn short(change: &Value) -> Value {
    json!([
        change["orderId"],
        change["version"],
        change["status"],
        change["step"],
        change["reason"]
    ])
}

fn shorts<'a>(changes: impl IntoIterator<Item = &'a Value>) -> Vec<Value> {
    changes.into_iter().map(short).collect()
}

async fn place(orders: &Orders, caller: &TestCaller) -> String {
    orders.place(caller).await["id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_stream_begins_with_the_open_orders_and_goes_on_with_what_happens() {
    let orders = Orders::start().await;
    let (caller, other) = (TestCaller::customer().unwrap(), TestCaller::customer().unwrap());
    let (open, halfway, ended) = (
        place(&orders, &caller).await,
        place(&orders, &caller).await,
        place(&orders, &caller).await,
    );
    orders.deliver(&[reserved(&halfway), out_of_stock(&ended)]).await;
    place(&orders, &other).await;

    let mut stream = Stream::open(&orders, &caller, None).await;
    let headers = stream.response.headers();
    assert_eq!(headers["content-type"], "text/event-stream");
    assert_eq!(headers["cache-control"], "no-store");
    assert_eq!(headers["x-accel-buffering"], "no");
    assert_eq!(
        shorts(&stream.past().await),
        [
            json!([open, 1, "PENDING", "CREATED", null]),
            json!([halfway, 2, "PENDING", "INVENTORY_RESERVED", null]),
        ]
    );
    assert!(stream.last_id.is_some(), "also a stream that breaks before anything happens goes on");

    let new = place(&orders, &caller).await;
    orders.deliver(&[authorized(&open), authorized(&halfway)]).await;
    place(&orders, &other).await;
    orders.deliver(&[out_of_stock(&new)]).await;
    assert_eq!(orders.cancel(&caller, &open).await.status(), StatusCode::OK);

    // The changes of one order come in their order; those of different orders may not.
    let mut live = Vec::new();
    while live.len() < 5 {
        let change = stream.change().await.unwrap();
        let id: i64 = stream.last_id.as_deref().unwrap().parse().unwrap();
        let at: chrono::DateTime<chrono::Utc> = change["at"].as_str().unwrap().parse().unwrap();
        assert_eq!(id, at.timestamp_micros());
        // Its end was on its way to the streams when this one was opened, and may come by now.
        if change["orderId"] != *ended {
            live.push(change);
        }
    }
    let of = |id: &str| shorts(live.iter().filter(|change| change["orderId"] == id));
    assert_eq!(
        of(&new),
        [
            json!([new, 1, "PENDING", "CREATED", null]),
            json!([new, 2, "FAILED", "FAILED", "OUT_OF_STOCK"]),
        ]
    );
    assert_eq!(
        of(&open),
        [
            json!([open, 2, "PENDING", "PAYMENT_AUTHORIZED", null]),
            json!([open, 3, "CANCELLED", "CANCELLED", "CUSTOMER"]),
        ]
    );
    assert_eq!(of(&halfway), [json!([halfway, 3, "COMPLETED", "COMPLETED", null])]);
    drop(stream);
    orders.service.stop().await.unwrap();
}

#[tokio::test]
async fn nothing_is_missed_over_a_restart_nor_at_another_replica() {
    let orders = Orders::start().await;
    let caller = TestCaller::customer().unwrap();
    let mut stream = Stream::open(&orders, &caller, None).await;
    assert!(stream.past().await.is_empty());
    let before = stream.last_id.clone();
    let order = place(&orders, &caller).await;
    assert_eq!(stream.change().await.unwrap()["version"], 1);
    let last_id = stream.last_id.clone().unwrap();

    // The stream ends with its process, whose last requests are answered.
    let Orders { env, service, http } = orders;
    let stopping = tokio::spawn(service.stop());
    assert_eq!(stream.change().await, None, "streams end at shutdown");
    timeout(PATIENCE, stopping).await.expect("in time").unwrap().unwrap();

    // Meanwhile the order goes on elsewhere.
    let orders = Orders { service: Orders::serve(&env).await, env, http };
    orders.deliver(&[reserved(&order)]).await;
    orders.deliver(&[authorized(&order)]).await;
    let replica = orders.replica().await;
    let story = [
        json!([order, 1, "PENDING", "CREATED", null]),
        json!([order, 2, "PENDING", "INVENTORY_RESERVED", null]),
        json!([order, 3, "COMPLETED", "COMPLETED", null]),
    ];
    // A transaction may end after later ones, so what seems to be older than the last id counts, too.
    let later = (last_id.parse::<i64>().unwrap() + 60_000_000).to_string();
    for at in [&orders.service, &replica] {
        for last_id in [Some(last_id.as_str()), before.as_deref(), Some(&later), Some("0")] {
            let mut resumed = Stream::open_at(&orders, at, &caller, last_id).await;
            assert_eq!(shorts(&resumed.past().await), story, "since {last_id:?}");
        }
        let mut fresh = Stream::open_at(&orders, at, &caller, None).await;
        assert!(fresh.past().await.is_empty(), "the order is not open any more");
    }
    // What one replica does is heard at the other.
    let mut here = Stream::open_at(&orders, &replica, &caller, None).await;
    here.past().await;
    let new = place(&orders, &caller).await;
    assert_eq!(here.change().await.unwrap()["orderId"], new);
    drop(here);
    replica.stop().await.unwrap();
    orders.service.stop().await.unwrap();
}

/// Many orders, several pages of them, with a stream that breaks and goes on all the time.
#[tokio::test]
async fn a_client_that_comes_back_again_and_again_hears_of_every_change() {
    const ORDERS: usize = 700;
    let orders = Orders::start().await;
    let caller = TestCaller::customer().unwrap();
    let placing = async {
        let mut ids = Vec::new();
        for _ in 0..ORDERS / 50 {
            let placed = futures_util::future::join_all((0..50).map(|_| place(&orders, &caller)));
            let batch = placed.await;
            orders.env.deliver(&batch.iter().map(|id| reserved(id)).collect::<Vec<_>>()).await;
            orders.env.deliver(&batch.iter().map(|id| authorized(id)).collect::<Vec<_>>()).await;
            ids.extend(batch);
        }
        ids
    };
    let watching = async {
        let mut seen = std::collections::HashMap::<String, u64>::new();
        let (mut last_id, mut streams, mut completed) = (None::<String>, 0_usize, 0_usize);
        while completed < ORDERS {
            let mut stream = Stream::open(&orders, &caller, last_id.as_deref()).await;
            streams += 1;
            // Broken at some other place each time, in the past or later.
            for _ in 0..=(streams * 379) % 3000 {
                if completed == ORDERS {
                    break;
                }
                let change = stream.change().await.expect("a stream goes on");
                let version = change["version"].as_u64().unwrap();
                let known = seen.entry(change["orderId"].as_str().unwrap().to_owned()).or_default();
                assert!(version <= *known + 1, "{change} came after version {known}");
                if version > *known {
                    *known = version;
                    completed += usize::from(change["status"] == "COMPLETED");
                }
            }
            last_id = stream.last_id;
        }
        (seen, streams)
    };
    let (ids, (seen, streams)) = tokio::join!(placing, watching);
    println!("{streams} streams for {ORDERS} orders");
    assert!(streams > 1);
    assert_eq!(seen.len(), ORDERS);
    for id in ids {
        assert_eq!(seen[&id], 3, "{id}");
    }
    orders.service.stop().await.unwrap();
}

#[tokio::test]
async fn a_stream_that_cannot_be_resumed_is_refused() {
    let orders = Orders::start().await;
    let caller = TestCaller::customer().unwrap();
    let request =
        || -> RequestBuilder { orders.request(Method::GET, PATH).bearer_auth(&caller.token) };
    for id in ["x", "-5", "1.5", "99999999999999999999"] {
        let response = request().header("last-event-id", id).send().await.unwrap();
        let (field, kind) = problem(response, 400).await;
        assert_eq!((field.as_str(), kind.as_str()), ("Last-Event-ID", "invalid-parameter"));
    }
    orders.service.stop().await.unwrap();
}
