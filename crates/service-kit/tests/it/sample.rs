//! A service that does nothing but answer.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::ConnectInfo;
use axum::http::StatusCode;
use axum::response::sse::{Event, Sse};
use axum::routing::{get, post};
use contracts::ids::OrderId;
use futures_util::{Stream, StreamExt, stream};
use messaging::KafkaConfig;
use serde::{Deserialize, Serialize};
use service_kit::http::{Json, Path, Problem, Query, Trace};
use service_kit::tokens::{Admin, Caller};
use service_kit::{Kit, testing};
use sqlx::PgPool;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// The service, running.
pub struct Sample {
    pub url: String,
    pub shutdown: CancellationToken,
    pub running: JoinHandle<anyhow::Result<()>>,
}

impl Sample {
    /// Without a database.
    pub async fn start() -> Self {
        let nowhere = PgPool::connect_lazy("postgres://nobody@127.0.0.1:1/nothing").unwrap();
        Self::start_with(nowhere, |_kit| {}).await
    }

    pub async fn start_with(pool: PgPool, prepare: impl FnOnce(&mut Kit)) -> Self {
        let kafka = KafkaConfig::plaintext("127.0.0.1:1", "");
        let mut kit = testing::kit("sample", pool, kafka).unwrap();
        prepare(&mut kit);
        let shutdown = kit.shutdown.clone();
        let address = kit.serve_http(routes(shutdown.clone())).await.unwrap();
        let running = tokio::spawn(kit.run(Duration::from_mins(1)));
        Self { url: format!("http://{address}"), shutdown, running }
    }

    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.url)
    }

    pub async fn get(&self, path: &str) -> reqwest::Response {
        reqwest::get(self.url(path)).await.unwrap()
    }

    pub async fn get_with(&self, path: &str, header: &str, value: &str) -> reqwest::Response {
        let request = reqwest::Client::new().get(self.url(path)).header(header, value);
        request.send().await.unwrap()
    }

    pub async fn post(
        &self,
        content_type: &str,
        body: impl Into<reqwest::Body>,
    ) -> reqwest::Response {
        let request = reqwest::Client::new().post(self.url("/api/baskets"));
        request.header("content-type", content_type).body(body).send().await.unwrap()
    }
}

#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Basket {
    sku: String,
    qty: u32,
}

#[derive(Deserialize, utoipa::IntoParams)]
struct Page {
    /// How many.
    limit: Option<u32>,
    status: Option<Status>,
    search: Option<String>,
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "UPPERCASE")]
enum Status {
    Pending,
}

/// Takes a basket.
#[utoipa::path(
    post,
    path = "/api/baskets",
    request_body = Basket,
    responses((status = 202, body = Basket)),
)]
async fn post_basket(Json(basket): Json<Basket>) -> (StatusCode, Json<Basket>) {
    (StatusCode::ACCEPTED, Json(basket))
}

/// Lists baskets.
#[utoipa::path(get, path = "/api/baskets", params(Page), responses((status = 200)))]
async fn list_baskets(Query(page): Query<Page>) -> String {
    let _ = (page.status, page.search);
    page.limit.unwrap_or(20).to_string()
}

/// One basket.
#[utoipa::path(
    get,
    path = "/api/baskets/{id}",
    params(("id" = String, Path, description = "The order's id")),
    responses((status = 200)),
    security(("bearer" = []), ("cookie" = [])),
)]
async fn get_basket(Path(id): Path<OrderId>) -> String {
    id.to_string()
}

async fn line(Path((name, number)): Path<(String, u32)>) -> String {
    format!("{name} {number}")
}

async fn panics() -> StatusCode {
    panic!("a handler broke")
}

async fn broken() -> Result<(), Problem> {
    Err(sqlx::Error::Decode("secret of the inside".into()))?;
    Ok(())
}

async fn away() -> Result<(), Problem> {
    let error = anyhow::Error::new(sqlx::Error::PoolTimedOut).context("cannot store the order");
    Err(Problem::internal(error))
}

/// A handler of this process that is at work until it is told to answer.
pub static SLOW: Slow = Slow::new();

/// Another, whose client goes away before that.
pub static LEFT: Slow = Slow::new();

pub struct Slow {
    asked: AtomicBool,
    answers: Semaphore,
}

impl Slow {
    const fn new() -> Self {
        Self { asked: AtomicBool::new(false), answers: Semaphore::const_new(0) }
    }

    pub fn is_asked(&self) -> bool {
        self.asked.load(Ordering::Relaxed)
    }

    pub fn answer(&self) {
        self.answers.add_permits(1);
    }

    async fn work(&self) -> &'static str {
        self.asked.store(true, Ordering::Relaxed);
        drop(self.answers.acquire().await);
        "slow"
    }
}

async fn peer(ConnectInfo(peer): ConnectInfo<SocketAddr>) -> String {
    peer.to_string()
}

fn events(shutdown: CancellationToken) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let first = stream::iter([Ok(Event::default().data("hello"))]);
    Sse::new(first.chain(stream::pending()).take_until(shutdown.cancelled_owned()))
}

/// Chunks that were asked for of [`counted`], in this process.
pub static CHUNKS: AtomicUsize = AtomicUsize::new(0);

/// A stream that never waits for anything but its reader.
fn flood(shutdown: CancellationToken, asked: impl Fn() + Send + 'static) -> Body {
    let chunks = stream::repeat_with(move || {
        asked();
        Ok::<_, Infallible>(Bytes::from_static(&[b'x'; 16 * 1024]))
    });
    Body::from_stream(chunks.take_until(shutdown.cancelled_owned()))
}

fn counted(shutdown: CancellationToken) -> Body {
    flood(shutdown, || _ = CHUNKS.fetch_add(1, Ordering::Relaxed))
}

/// Whether a stream of [`unread`] was given up, in this process.
pub static GIVEN_UP: AtomicBool = AtomicBool::new(false);

/// The same, for the one client that reads nothing of it.
fn unread(shutdown: CancellationToken) -> Body {
    struct Open;
    impl Drop for Open {
        fn drop(&mut self) {
            GIVEN_UP.store(true, Ordering::Relaxed);
        }
    }
    let open = Open;
    flood(shutdown, move || _ = &open)
}

#[expect(clippy::disallowed_methods, reason = "nobody reads the document of most of these")]
fn routes(shutdown: CancellationToken) -> OpenApiRouter {
    let (flooded, not_read) = (shutdown.clone(), shutdown.clone());
    OpenApiRouter::new()
        .routes(routes!(post_basket, list_baskets))
        .routes(routes!(get_basket))
        .route("/api/lines/{name}/{number}", get(line))
        .route("/api/panics", get(panics))
        .route("/api/broken", get(broken))
        .route("/api/away", get(away))
        .route("/api/teapot", get(StatusCode::IM_A_TEAPOT))
        .route("/api/hangs", get(std::future::pending::<StatusCode>))
        .route("/api/raw", post(async |body: Bytes| body))
        .route("/api/cacheable", get([("cache-control", "public")]))
        .route("/api/slow", get(|| SLOW.work()))
        .route("/api/left", get(|| LEFT.work()))
        .route("/api/peer", get(peer))
        .route("/api/events", get(async move || events(shutdown)))
        .route("/api/flood", get(async move || counted(flooded)))
        .route("/api/unread", get(async move || unread(not_read)))
        .route("/api/trace", get(async |Trace(trace): Trace| trace.to_string()))
        .route("/api/me", get(async |caller: Caller| caller.customer.to_string()))
        .route("/api/admin", get(async |admin: Admin| admin.customer.to_string()))
}
