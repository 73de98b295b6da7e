//! Whatever a client sends is read, or refused with a problem that says what is wrong.

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, COOKIE, HeaderName, IF_MATCH};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use contracts::ids::{OrderId, Sku};
use contracts::money::Amount;
use hyper::service::Service;
use hyper_util::service::TowerToHyperService;
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sqlx::PgPool;
use tokio_util::sync::CancellationToken;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{Json, Path, Query, Surroundings, Trace, if_match, json, router};
use crate::metrics::Metrics;
use crate::readiness::Readiness;
use crate::tokens::{Caller, KeyRing};

/// A body with what bodies have.
#[derive(Debug, PartialEq, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Basket {
    items: Vec<Item>,
    note: Option<String>,
}

#[derive(Debug, PartialEq, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Item {
    #[schema(value_type = String)]
    sku: Sku,
    qty: u32,
    #[schema(value_type = f64)]
    price: Amount,
}

#[derive(Deserialize)]
struct Page {
    limit: Option<u32>,
    search: Option<String>,
}

#[utoipa::path(post, path = "/baskets", responses((status = 200)))]
async fn post_basket(Json(basket): Json<Basket>) -> Json<Basket> {
    Json(basket)
}

#[utoipa::path(get, path = "/baskets/{id}", responses((status = 200)))]
async fn get_basket(
    Path(id): Path<OrderId>,
    Query(page): Query<Page>,
    headers: HeaderMap,
) -> Result<String, super::Problem> {
    let expected = if_match(&headers)?;
    Ok(format!("{id} {:?} {:?} {expected:?}", page.limit, page.search))
}

#[utoipa::path(get, path = "/me", responses((status = 200)))]
async fn me(caller: Caller, Trace(trace): Trace) -> String {
    format!("{} {trace}", caller.customer)
}

/// A service without a database.
fn service() -> TowerToHyperService<Router> {
    let nowhere = PgPool::connect_lazy("postgres://nobody@127.0.0.1:1/nothing").unwrap();
    let surroundings = Surroundings {
        service: "sample",
        readiness: Readiness::new(CancellationToken::new()),
        keys: KeyRing::new(nowhere),
        metrics: Metrics::install().unwrap(),
    };
    let api = OpenApiRouter::new()
        .routes(routes!(post_basket))
        .routes(routes!(get_basket))
        .routes(routes!(me));
    TowerToHyperService::new(router(surroundings, api).unwrap())
}

/// The status and the body of the answer, of which no failure of the service is one.
fn answer(request: Request) -> Result<(StatusCode, Value), TestCaseError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let response = service().call(request).await.unwrap();
        let (head, body) = response.into_parts();
        let body = to_bytes(body, usize::MAX).await.unwrap();
        if head.status.is_success() {
            return Ok((head.status, Value::Null));
        }
        prop_assert!(!head.status.is_server_error(), "{}", head.status);
        prop_assert_eq!(&head.headers[CONTENT_TYPE], "application/problem+json");
        let body: Value = serde_json::from_slice(&body).unwrap();
        prop_assert_eq!(&body["status"], &json!(head.status.as_u16()));
        prop_assert!(body["detail"].as_str().unwrap().ends_with('.'), "{}", body);
        prop_assert!(body["detail"].as_str().unwrap().len() < 1500, "{}", body);
        let kind = body["type"].as_str().unwrap();
        if kind.ends_with("/invalid-field") || kind.ends_with("/invalid-parameter") {
            prop_assert!(!body["field"].as_str().unwrap().is_empty(), "{}", body);
        }
        Ok((head.status, body))
    })
}

/// Any JSON, and such as is almost a basket.
fn bodies() -> impl Strategy<Value = String> {
    let texts = prop_oneof![
        any::<String>(),
        "[A-Za-z0-9._-]{1,70}",
        Just("\0".to_owned()),
        Just("\u{202e}".to_owned()),
    ];
    let leaves = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        (0..2000_u32).prop_map(Value::from),
        texts.prop_map(Value::from),
    ];
    let names = prop_oneof![
        4 => prop::sample::select(vec!["items", "note", "sku", "qty", "price"]).prop_map(str::to_owned),
        1 => any::<String>(),
    ];
    let trees = leaves.prop_recursive(6, 64, 6, move |inner| {
        prop_oneof![
            vec(inner.clone(), 0..6).prop_map(Value::from),
            btree_map(names.clone(), inner, 0..6).prop_map(|fields| json!(fields)),
        ]
    });
    let item = |sku: String, qty: u32, price: f64| json!({"sku": sku, "qty": qty, "price": price});
    let items = vec(
        ("[A-Z.]{0,3}", any::<u32>(), -1.0..1e12)
            .prop_map(move |(sku, qty, price)| item(sku, qty, price)),
        0..4,
    );
    let almost =
        (items, trees.clone()).prop_map(|(items, note)| json!({"items": items, "note": note}));
    prop_oneof![trees, almost].prop_map(|value| value.to_string())
}

/// As it stands in a URI: any byte, encoded where it must be.
fn encoded() -> impl Strategy<Value = String> {
    let byte = |byte: u8| match byte {
        b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-' | b'.' => char::from(byte).to_string(),
        _ => format!("%{byte:02x}"),
    };
    let bytes = vec(any::<u8>(), 1..40);
    prop_oneof![
        bytes.prop_map(move |bytes| bytes.into_iter().map(byte).collect::<String>()),
        "ord_[0-9a-z]{20,30}",
        "[a-z%0-9]{1,10}",
    ]
}

fn header() -> impl Strategy<Value = HeaderValue> {
    let bytes = vec(any::<u8>(), 0..60);
    let likely = r#"(Bearer |access_token=|W/)?["*,a-zA-Z0-9.=; -]{0,60}"#;
    prop_oneof![bytes, likely.prop_map(String::into_bytes)]
        .prop_filter_map("no header holds it", |bytes| HeaderValue::from_bytes(&bytes).ok())
}

fn request(
    method: Method,
    uri: &str,
    headers: Vec<(HeaderName, HeaderValue)>,
    body: Vec<u8>,
) -> Option<Request> {
    let mut request = axum::http::Request::new(Body::from(body));
    *request.method_mut() = method;
    *request.uri_mut() = uri.parse().ok()?;
    request.headers_mut().extend(headers);
    Some(request)
}

proptest! {
    #[test]
    fn a_body_of_any_bytes(body in vec(any::<u8>(), 0..200), kind in header()) {
        for kind in [HeaderValue::from_static("application/json"), kind] {
            let headers = vec![(CONTENT_TYPE, kind)];
            answer(request(Method::POST, "/baskets", headers, body.clone()).unwrap())?;
        }
    }

    #[test]
    fn a_body_of_any_json(body in bodies()) {
        let headers = vec![(CONTENT_TYPE, HeaderValue::from_static("application/json"))];
        let sent = request(Method::POST, "/baskets", headers, body.clone().into_bytes()).unwrap();
        let (status, problem) = answer(sent)?;
        let right = json::decode::<Basket>(body.as_bytes());
        prop_assert_eq!(status.is_success(), right.is_ok(), "{}", problem);
        if let Ok(basket) = right {
            let again = serde_json::to_vec(&basket).unwrap();
            prop_assert_eq!(json::decode::<Basket>(&again).unwrap(), basket);
        }
    }

    #[test]
    fn any_path_and_query(id in encoded(), query in "[a-z=&%+0-9\\[\\]]{0,40}", name in "limit|search|other", value in encoded()) {
        let uri = format!("/baskets/{id}?{query}&{name}={value}");
        if let Some(request) = request(Method::GET, &uri, vec![], vec![]) {
            answer(request)?;
        }
    }

    #[test]
    fn any_headers(values in vec(header(), 1..5), token in header()) {
        let order = "/baskets/ord_01h455vb4pex5vsknk084sn02q";
        let tags = values.iter().map(|value| (IF_MATCH, value.clone())).collect();
        answer(request(Method::GET, order, tags, vec![]).unwrap())?;

        let trace = HeaderName::from_static("traceparent");
        for name in [AUTHORIZATION, COOKIE] {
            let mut headers: Vec<_> = values.iter().map(|value| (trace.clone(), value.clone())).collect();
            headers.push((name, token.clone()));
            let (status, problem) = answer(request(Method::GET, "/me", headers, vec![]).unwrap())?;
            prop_assert_eq!(status, StatusCode::UNAUTHORIZED, "{}", problem);
        }
    }
}
