//! Who may do what.

use contracts::ids::OrderId;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use service_kit::testing::{Access, TestCaller, TestSigner};
use test_support::Delivery;
use uuid::Uuid;

use crate::running::{Orders, answer, problem};

#[tokio::test]
async fn orders_are_for_their_customers_and_nothing_for_nobody() {
    let orders = Orders::start().await;
    let (owner, stranger) = (TestCaller::customer().unwrap(), TestCaller::customer().unwrap());
    let order = orders.place(&owner).await;
    let access = Access {
        service: &orders.service,
        public: &[],
        owner: &owner,
        stranger: &stranger,
        owned: &[("id", order["id"].as_str().unwrap())],
        bodies: &[("POST /api/orders", json!({"items": [{"sku": "MUG", "qty": 1}]}))],
    };
    access.try_everything().await.unwrap();
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
    for (method, route) in [
        (Method::GET, "/api/orders/{id}"),
        (Method::GET, "/api/orders/{id}/history"),
        (Method::POST, "/api/orders/{id}/cancel"),
    ] {
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

#[tokio::test]
async fn what_may_be_asked_for_is_documented() {
    let orders = Orders::start().await;
    orders.service.is_documented().await.unwrap();
}
