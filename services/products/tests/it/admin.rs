//! What admins may do, and others not.

use contracts::events::Event;
use contracts::events::EventType::{ProductCreated, ProductDiscontinued, ProductUpdated};
use contracts::topic::Topic;
use reqwest::Method;
use serde_json::{Value, json};

use crate::shop::{Shop, assert_problem, draft, ok};

#[tokio::test]
async fn only_admins_may_change_the_catalogue() {
    let shop = Shop::open().await;
    ok(shop.create(&draft("MUG")).await, 201).await;
    for (method, path, body) in [
        (Method::POST, "", draft("CUP")),
        (Method::PATCH, "/MUG", json!({"name": "Cup"})),
        (Method::DELETE, "/MUG", Value::Null),
    ] {
        let request = || shop.request(method.clone(), path).header("if-match", "*").json(&body);
        let nobody = request().send().await.unwrap();
        assert_eq!(nobody.headers()["www-authenticate"], "Bearer");
        assert_problem(nobody, 401, "unauthenticated", None).await;
        let forged = request().bearer_auth("e30.e30.e30").send().await.unwrap();
        assert_problem(forged, 401, "unauthenticated", None).await;
        let customer = request().bearer_auth(&shop.customer.token).send().await.unwrap();
        assert_problem(customer, 403, "forbidden", None).await;
    }
    let (skus, _) = shop.page("").await;
    assert_eq!(skus, ["MUG"]);
    assert_eq!(ok(shop.get("/MUG").await, 200).await["version"], 1);
}

#[tokio::test]
async fn each_change_has_a_version_an_etag_and_an_event() {
    let shop = Shop::open().await;
    let trace_id = "4bf92f3577b34da6a3ce929d0e0e4736";
    let traceparent = format!("00-{trace_id}-00f067aa0ba902b7-01");
    let request = shop.as_admin(Method::POST, "").header("traceparent", traceparent);
    let created = request.json(&draft("MUG")).send().await.unwrap();
    assert_eq!(created.headers()["location"], "/api/products/MUG");
    assert_eq!(created.headers()["etag"], "\"1\"");
    ok(created, 201).await;

    let changed = shop.change("MUG", "\"1\"", &json!({"price": 399.5})).await;
    assert_eq!(changed.headers()["etag"], "\"2\"");
    let text = changed.text().await.unwrap();
    assert!(text.contains("\"price\":399.50,"), "{text}");
    // The same again is no change.
    let changed = shop.change("MUG", "\"2\"", &json!({"price": 399.50, "name": null})).await;
    assert_eq!(changed.headers()["etag"], "\"2\"");

    assert_eq!(shop.discontinue("MUG").await.status(), 204);
    assert_eq!(shop.discontinue("MUG").await.status(), 204);
    let stale = shop.as_admin(Method::DELETE, "/MUG").header("if-match", "\"1\"");
    assert_eq!(stale.send().await.unwrap().status(), 204, "it was done already");
    let body = ok(shop.get("/MUG").await, 200).await;
    assert_eq!((&body["discontinued"], &body["version"]), (&true.into(), &3.into()));
    assert_eq!(shop.page("").await.0, [""; 0]);

    assert_eq!(shop.events_told().await, 3);
    let events = shop.env.events(Topic::Products, |events| events.len() == 3).await;
    let types: Vec<_> = events.iter().map(Event::event_type).collect();
    assert_eq!(types, [ProductCreated, ProductUpdated, ProductDiscontinued]);
    assert_eq!(events[0].trace_id().to_string(), trace_id);
    let Event::ProductUpdated(updated) = &events[1] else { panic!("{events:?}") };
    assert_eq!((updated.price.to_string().as_str(), updated.version), ("399.50", 2));
}

#[tokio::test]
async fn a_change_needs_the_version_it_was_thought_of_for() {
    let shop = Shop::open().await;
    ok(shop.create(&draft("MUG")).await, 201).await;
    let change = json!({"name": "Cup"});
    let blind = shop.as_admin(Method::PATCH, "/MUG").json(&change).send().await.unwrap();
    assert_problem(blind, 428, "precondition-required", Some("If-Match")).await;
    for stale in ["\"2\"", "W/\"1\"", "\"\""] {
        let response = shop.change("MUG", stale, &change).await;
        assert_problem(response, 412, "precondition-failed", Some("If-Match")).await;
        let delete = shop.as_admin(Method::DELETE, "/MUG").header("if-match", stale);
        let response = delete.send().await.unwrap();
        assert_problem(response, 412, "precondition-failed", Some("If-Match")).await;
    }
    for garbage in ["1", "\"1", "latest"] {
        let response = shop.change("MUG", garbage, &change).await;
        assert_problem(response, 400, "invalid-parameter", Some("If-Match")).await;
    }
    ok(shop.change("MUG", "*", &change).await, 200).await;
    ok(shop.change("MUG", "\"1\", \"2\"", &json!({"name": "Pot"})).await, 200).await;
    assert_problem(shop.change("POT", "*", &change).await, 404, "not-found", None).await;
    assert_problem(shop.discontinue("POT").await, 404, "not-found", None).await;
}

#[tokio::test]
async fn of_two_changes_of_one_version_one_wins() {
    let shop = Shop::open().await;
    ok(shop.create(&draft("MUG")).await, 201).await;
    for version in 1..=10 {
        let etag = format!("\"{version}\"");
        let (cup, pot) = (json!({"price": version}), json!({"price": version * 100}));
        let both = tokio::join!(shop.change("MUG", &etag, &cup), shop.change("MUG", &etag, &pot));
        let mut statuses = [both.0.status().as_u16(), both.1.status().as_u16()];
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 412], "version {version}");
    }
}

#[tokio::test]
async fn a_sku_is_taken_once() {
    let shop = Shop::open().await;
    for round in 0..5 {
        let new = draft(&format!("MUG-{round}"));
        let both = tokio::join!(shop.create(&new), shop.create(&new));
        let (first, second) = if both.0.status() == 201 { both } else { (both.1, both.0) };
        ok(first, 201).await;
        assert_problem(second, 409, "sku-taken", Some("sku")).await;
    }
    assert_eq!(shop.discontinue("MUG-0").await.status(), 204);
    let again = shop.create(&draft("MUG-0")).await;
    assert_problem(again, 409, "sku-taken", Some("sku")).await;
    let change = shop.change("MUG-0", "*", &json!({"name": "Cup"})).await;
    assert_problem(change, 409, "product-discontinued", None).await;
}
