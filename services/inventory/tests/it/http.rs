//! The routes as clients see them.

use reqwest::Client;
use service_kit::testing::TestCaller;

use crate::warehouse::Warehouse;

const COUNT: &str = r#"{"onHand":7}"#;

#[tokio::test]
async fn anybody_sees_the_stock() {
    let warehouse = Warehouse::open().await;
    warehouse.stock("Mug_1.b", 5).await;
    let answer = warehouse.get("Mug_1.b").await;
    assert_eq!((answer.status, answer.etag()), (200, "\"2\""));
    let expected = serde_json::json!({
        "sku": "Mug_1.b", "onHand": 5, "reserved": 0, "available": 5, "version": 2,
    });
    assert_eq!(answer.body, expected);

    assert_eq!(warehouse.get("Mug_2").await.problem(), (404, "not-found", None));
    let bad = ["a%20b", "a%00b", "a%2Fb", "%ff", &"x".repeat(65)];
    for sku in bad {
        let answer = warehouse.get(sku).await;
        assert_eq!(answer.problem(), (400, "invalid-parameter", Some("sku")), "{sku}");
    }
}

#[tokio::test]
async fn only_admins_set_the_stock() {
    let warehouse = Warehouse::open().await;
    warehouse.stock("A", 5).await;
    let customer = TestCaller::customer().unwrap();
    for (token, status, slug) in [
        (None, 401, "unauthenticated"),
        (Some("nonsense"), 401, "unauthenticated"),
        (Some(customer.token.as_str()), 403, "forbidden"),
    ] {
        // Also where more is wrong, and where there is nothing: who may not do it learns no more.
        for (sku, body) in [("A", COUNT), ("A", "{"), ("B", COUNT), ("a%20b", COUNT)] {
            let answer = warehouse.put(sku, token, Some("*"), body).await;
            assert_eq!(answer.problem(), (status, slug, None), "{sku} {body}");
        }
    }
    assert_eq!(warehouse.level("A").await, (5, 0));
}

#[tokio::test]
async fn bad_counts_are_refused_by_name() {
    let warehouse = Warehouse::open().await;
    warehouse.stock("A", 5).await;
    let token = Some(warehouse.admin.token.as_str());
    let invalid = |field: &'static str| (422, "invalid-field", Some(field));
    for (body, expected) in [
        ("", (400, "malformed-json", None)),
        ("{", (400, "malformed-json", None)),
        ("[]", invalid("body")),
        ("{}", invalid("onHand")),
        (r#"{"onHand":null}"#, invalid("onHand")),
        (r#"{"onHand":-1}"#, invalid("onHand")),
        (r#"{"onHand":1.5}"#, invalid("onHand")),
        (r#"{"onHand":"7"}"#, invalid("onHand")),
        (r#"{"onHand":1000001}"#, invalid("onHand")),
        (r#"{"onHand":99999999999}"#, invalid("onHand")),
        (r#"{"onHand":7,"onHand":8}"#, invalid("onHand")),
        (r#"{"onHand":7,"reserved":0}"#, invalid("reserved")),
    ] {
        let answer = warehouse.put("A", token, Some("*"), body).await;
        assert_eq!(answer.problem(), expected, "{body}");
    }
    for (if_match, expected) in [
        (None, (428, "precondition-required", Some("If-Match"))),
        (Some("2"), (400, "invalid-parameter", Some("If-Match"))),
        (Some("\"1\""), (412, "precondition-failed", Some("If-Match"))),
        (Some("W/\"2\""), (412, "precondition-failed", Some("If-Match"))),
    ] {
        let answer = warehouse.put("A", token, if_match, COUNT).await;
        assert_eq!(answer.problem(), expected, "{if_match:?}");
    }
    assert_eq!(
        warehouse.put("B", token, Some("*"), COUNT).await.problem(),
        (404, "not-found", None)
    );
    let answer = warehouse.put("a%20b", token, Some("*"), COUNT).await;
    assert_eq!(answer.problem(), (400, "invalid-parameter", Some("sku")));

    let client = Client::new();
    let url = format!("{}/api/stock/A", warehouse.service.url);
    let put = || client.put(&url).bearer_auth(&warehouse.admin.token).header("if-match", "*");
    let answer = warehouse.send(put().header("content-type", "text/plain").body(COUNT)).await;
    assert_eq!(answer.problem(), (415, "unsupported-media-type", None));
    let json = || put().header("content-type", "application/json");
    let answer = warehouse.send(json().body(b"{\"onHand\":\"\xff\"}".to_vec())).await;
    assert_eq!(answer.problem(), (400, "malformed-json", None));
    let answer = warehouse.send(json().body(" ".repeat(64 * 1024 + 1))).await;
    assert_eq!(answer.problem(), (413, "body-too-large", None));
    let answer = warehouse.send(client.delete(&url)).await;
    assert_eq!(answer.status, 405);

    let answer = warehouse.get("A").await;
    assert_eq!((answer.etag(), warehouse.level("A").await), ("\"2\"", (5, 0)), "all the same");
}

#[tokio::test]
async fn the_routes_are_documented() {
    let warehouse = Warehouse::open().await;
    let client = Client::new();
    let url = format!("{}/openapi.json", warehouse.service.url);
    let document = warehouse.send(client.get(url)).await.body;
    let route = &document["paths"]["/api/stock/{sku}"];
    assert!(route["get"]["security"].is_null());
    let of_admins = serde_json::json!([{ "bearer": ["admin"] }, { "cookie": ["admin"] }]);
    assert_eq!(route["put"]["security"], of_admins);
    assert_eq!(document["components"]["schemas"]["StockCount"]["required"][0], "onHand");
}
