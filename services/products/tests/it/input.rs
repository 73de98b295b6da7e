//! Bad input, and what is told of it.

use reqwest::Method;
use serde_json::{Value, json};

use crate::shop::{Shop, assert_problem, draft, ok};

#[tokio::test]
async fn a_bad_parameter_is_named() {
    let shop = Shop::open().await;
    let long = "x".repeat(101);
    for (path, field) in [
        ("?limit=0", "limit"),
        ("?limit=101", "limit"),
        ("?limit=-1", "limit"),
        ("?limit=1.5", "limit"),
        ("?limit=", "limit"),
        ("?limit=99999999999999999999", "limit"),
        ("?cursor=nonsense", "cursor"),
        ("?cursor=4", "cursor"),
        ("?cursor=", "cursor"),
        ("?cursor=20", "cursor"),
        ("?cursor=%F0%9F%98%80", "cursor"),
        (&format!("?cursor={}", "41".repeat(65)), "cursor"),
        (&format!("?q={long}"), "q"),
        ("?q=a%00b", "q"),
        (&format!("?category={}", &long[..65]), "category"),
        (&format!("/{}", &long[..65]), "sku"),
        ("/a%20b", "sku"),
        ("/%FF", "sku"),
        ("/%00", "sku"),
    ] {
        assert_problem(shop.get(path).await, 400, "invalid-parameter", Some(field)).await;
    }
    assert_eq!(shop.page("limit=1").await, (vec![], None));
    assert_eq!(shop.page("limit=100").await, (vec![], None));
    for method in [Method::PATCH, Method::DELETE] {
        let request = shop.as_admin(method, "/a%20b").header("if-match", "*");
        let response = request.json(&json!({"name": "x"})).send().await.unwrap();
        assert_problem(response, 400, "invalid-parameter", Some("sku")).await;
    }
}

#[tokio::test]
async fn a_bad_field_is_named() {
    let shop = Shop::open().await;
    ok(shop.create(&draft("GOOD")).await, 201).await;
    let bad = |field: &str, value: Value| {
        let mut draft = draft("BAD");
        draft[field] = value;
        draft
    };
    for (field, value) in [
        ("sku", json!("")),
        ("sku", json!("a b")),
        ("sku", json!(".")),
        ("sku", json!("..")),
        ("sku", json!(7)),
        ("sku", json!("x".repeat(65))),
        ("name", json!("")),
        ("name", json!("   ")),
        ("name", json!("x".repeat(201))),
        ("name", json!("two\nlines")),
        ("name", json!("a\u{0}b")),
        ("name", Value::Null),
        ("description", json!("x".repeat(2001))),
        ("description", json!(["x"])),
        ("category", json!("")),
        ("category", json!("x".repeat(65))),
        ("price", json!(-1)),
        ("price", json!(0.001)),
        ("price", json!(10_000_001)),
        ("price", json!("449")),
        ("price", Value::Null),
        ("price", json!({"minor": 1})),
        ("currency", json!("inr")),
        ("currency", json!("XXX")),
        ("currency", json!(356)),
        ("version", json!(7)),
        ("available", json!(7)),
    ] {
        let response = shop.create(&bad(field, value.clone())).await;
        assert_problem(response, 422, "invalid-field", Some(field)).await;
        if field != "sku" && !value.is_null() {
            let response = shop.change("GOOD", "*", &json!({(field): value})).await;
            assert_problem(response, 422, "invalid-field", Some(field)).await;
        }
    }
    for field in ["sku", "name", "category", "price", "currency"] {
        let mut draft = draft("BAD");
        draft.as_object_mut().unwrap().remove(field);
        assert_problem(shop.create(&draft).await, 422, "invalid-field", Some(field)).await;
    }
    for (changes, field) in [
        (json!({}), "body"),
        (json!({"name": null}), "body"),
        (json!([]), "body"),
        (json!({"currency": "USD"}), "currency"),
        (json!({"sku": "OTHER"}), "sku"),
    ] {
        let response = shop.change("GOOD", "*", &changes).await;
        assert_problem(response, 422, "invalid-field", Some(field)).await;
    }
    assert_eq!(ok(shop.get("/GOOD").await, 200).await["version"], 1);
    assert_eq!(shop.page("").await.0, ["GOOD"]);
}

#[tokio::test]
async fn a_price_is_taken_as_it_is_written() {
    let shop = Shop::open().await;
    let body = |price: &str, currency: &str| {
        format!(
            r#"{{"sku":"P-{price}-{currency}","name":"x","category":"x","price":{price},"currency":"{currency}"}}"#
        )
    };
    let create = async |price: &str, currency: &str| {
        let request = shop.as_admin(Method::POST, "").header("content-type", "application/json");
        request.body(body(price, currency)).send().await.unwrap()
    };
    for (price, currency, shown) in [
        ("0", "INR", "0.00"),
        ("0.1", "INR", "0.10"),
        ("10000000", "INR", "10000000.00"),
        ("1000000000", "JPY", "1000000000"),
        ("1.234", "KWD", "1.234"),
    ] {
        let response = create(price, currency).await;
        assert_eq!(response.status(), 201, "{price} {currency}");
        let text = response.text().await.unwrap();
        assert!(text.contains(&format!("\"price\":{shown},")), "{text}");
    }
    for (price, currency) in [
        ("0.005", "INR"),
        ("1.0", "JPY"),
        ("1e2", "INR"),
        ("-0", "INR"),
        ("-0.01", "INR"),
        ("10000000.01", "INR"),
        ("92233720368547758.08", "INR"),
        ("99999999999999999999999999", "INR"),
    ] {
        let response = create(price, currency).await;
        assert_problem(response, 422, "invalid-field", Some("price")).await;
    }
    let response = create("NaN", "INR").await;
    assert_problem(response, 400, "malformed-json", None).await;
}

#[tokio::test]
async fn a_body_that_is_no_json_is_refused() {
    let shop = Shop::open().await;
    ok(shop.create(&draft("MUG")).await, 201).await;
    for (method, path) in [(Method::POST, ""), (Method::PATCH, "/MUG")] {
        let send = async |content_type: &str, body: Vec<u8>| {
            let request = shop.as_admin(method.clone(), path).header("if-match", "*");
            request.header("content-type", content_type).body(body).send().await.unwrap()
        };
        let json = "application/json";
        let response = send("text/plain", b"{}".to_vec()).await;
        assert_problem(response, 415, "unsupported-media-type", None).await;
        for body in [&b"{"[..], b"", b"{\"name\":\"\xff\"}"] {
            assert_problem(send(json, body.to_vec()).await, 400, "malformed-json", None).await;
        }
        let large = format!(r#"{{"name":"{}"}}"#, "x".repeat(70_000));
        assert_problem(send(json, large.into_bytes()).await, 413, "body-too-large", None).await;
    }
}
