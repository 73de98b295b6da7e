//! Who may do what.

use chrono::{TimeDelta, Utc};
use contracts::events::Role;
use contracts::ids::OrderId;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use service_kit::testing::{TestCaller, TestSigner};
use test_support::Delivery;
use uuid::Uuid;

use crate::running::{Orders, answer, problem};

const ROUTES: [(Method, &str); 6] = [
    (Method::POST, "/api/orders"),
    (Method::GET, "/api/orders"),
    (Method::GET, "/api/orders/{id}"),
    (Method::GET, "/api/orders/{id}/history"),
    (Method::POST, "/api/orders/{id}/cancel"),
    (Method::GET, "/api/orders/events"),
];

#[tokio::test]
async fn every_route_wants_a_valid_token() {
    let orders = Orders::start().await;
    let caller = TestCaller::customer().unwrap();
    let order = orders.place(&caller).await;
    let past = Utc::now() - TimeDelta::minutes(1);
    let ended = TestSigner::new().token_until(caller.customer, Role::Customer, past).unwrap();
    for (method, path) in ROUTES {
        let path = path.replace("{id}", order["id"].as_str().unwrap());
        let request = || orders.request(method.clone(), &path).json(&json!({"items": []}));
        for refused in [
            request(),
            request().bearer_auth("nonsense"),
            request().bearer_auth(&ended),
            request().header("authorization", "Basic YTpi"),
            request().header("cookie", "access_token=nonsense"),
        ] {
            let response = refused.send().await.unwrap();
            assert!(response.headers().contains_key("www-authenticate"), "{method} {path}");
            assert_eq!(problem(response, 401).await.1, "unauthenticated", "{method} {path}");
        }
    }
    let cookie = format!("theme=dark; access_token={}", caller.token);
    let by_cookie = orders.request(Method::GET, "/api/orders").header("cookie", cookie);
    assert_eq!(by_cookie.send().await.unwrap().status(), StatusCode::OK);
    orders.service.stop().await.unwrap();
}

#[tokio::test]
async fn an_order_is_its_customers_and_admins_may_only_read_it() {
    let orders = Orders::start().await;
    let (owner, other) = (TestCaller::customer().unwrap(), TestCaller::customer().unwrap());
    let admin = TestCaller::admin().unwrap();
    let order = orders.place(&owner).await;
    let id = order["id"].as_str().unwrap();
    let paths = [format!("/api/orders/{id}"), format!("/api/orders/{id}/history")];
    for path in &paths {
        assert_eq!(problem(orders.get(&other, path).await, 404).await.1, "not-found");
        assert_eq!(orders.get(&owner, path).await.status(), StatusCode::OK);
        assert_eq!(orders.get(&admin, path).await.status(), StatusCode::OK);
    }
    for stranger in [&other, &admin] {
        assert_eq!(problem(orders.cancel(stranger, id).await, 404).await.1, "not-found");
        let page = answer(orders.get(stranger, "/api/orders").await, StatusCode::OK).await;
        assert_eq!(page, json!({"items": []}));
    }
    let unharmed: Value = answer(orders.get(&owner, &paths[0]).await, StatusCode::OK).await;
    assert_eq!(unharmed, order);
    orders.service.stop().await.unwrap();
}

#[tokio::test]
async fn a_key_that_auth_publishes_is_kept() {
    let orders = Orders::start().await;
    let pool = &orders.service.pool;
    // As before auth has published any.
    sqlx::query("DELETE FROM signing_keys").execute(pool).await.unwrap();
    let published = TestSigner::new().published();
    orders.deliver(&[Delivery::new(published.clone())]).await;
    let kept: Vec<(String, String)> = sqlx::query_as("SELECT key_id, public_key FROM signing_keys")
        .fetch_all(pool)
        .await
        .unwrap();
    assert_eq!(kept, [(published.key_id, published.public_key.as_str().to_owned())]);
    orders.service.stop().await.unwrap();
}

#[tokio::test]
async fn every_route_is_documented() {
    let orders = Orders::start().await;
    let document = orders.request(Method::GET, "/openapi.json").send().await.unwrap();
    let document = answer(document, StatusCode::OK).await;
    let mut documented: Vec<_> = document["paths"]
        .as_object()
        .unwrap()
        .iter()
        .flat_map(|(path, methods)| methods.as_object().unwrap().keys().map(move |m| (m, path)))
        .map(|(method, path)| (method.to_uppercase(), path.clone()))
        .collect();
    documented.sort();
    let mut routes = ROUTES.map(|(method, path)| (method.to_string(), path.to_owned()));
    routes.sort();
    assert_eq!(documented, routes);
    for schema in ["Order", "OrderPage", "OrderHistory", "OrderChange", "PlaceOrder", "Problem"] {
        assert!(document["components"]["schemas"][schema].is_object(), "{schema}");
    }
    orders.service.stop().await.unwrap();
}

#[tokio::test]
async fn ids_that_are_none_or_unknown_are_problems() {
    let orders = Orders::start().await;
    let caller = TestCaller::customer().unwrap();
    let unknown = OrderId::from_uuid(Uuid::now_v7()).to_string();
    let wrong = [
        "1",
        "ord_",
        "cust_01h455vb4pex5vsknk084sn02q",
        "ord_81h455vb4pex5vsknk084sn02q",
        "ORD_01H455VB4PEX5VSKNK084SN02Q",
        "01890a5d-ac96-774b-bcce-b302099a8057",
        "ord_%00",
        "%ff",
        "..%2f..",
    ];
    for (method, route) in ROUTES.into_iter().filter(|(_, path)| path.contains("{id}")) {
        let send = async |id: &str| {
            let request = orders.request(method.clone(), &route.replace("{id}", id));
            request.bearer_auth(&caller.token).send().await.unwrap()
        };
        assert_eq!(problem(send(&unknown).await, 404).await.1, "not-found");
        for id in wrong {
            let (field, kind) = problem(send(id).await, 400).await;
            assert_eq!(
                (field.as_str(), kind.as_str()),
                ("id", "invalid-parameter"),
                "{route} {id}"
            );
        }
    }
    orders.service.stop().await.unwrap();
}
