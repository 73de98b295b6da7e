//! What everybody may do: look, search, page.

use std::time::Duration;

use serde_json::{Value, json};
use test_support::eventually;

use crate::shop::{Shop, assert_problem, draft, ok};

/// A draft that differs in some fields.
fn with(sku: &str, fields: &Value) -> Value {
    let mut draft = draft(sku);
    for (name, value) in fields.as_object().unwrap() {
        draft[name] = value.clone();
    }
    draft
}

#[tokio::test]
async fn everybody_may_look_at_a_product() {
    let shop = Shop::open().await;
    let created = ok(shop.create(&draft("MUG-1")).await, 201).await;
    let response = shop.get("/MUG-1").await;
    assert_eq!(response.headers()["etag"], "\"1\"");
    let text = response.text().await.unwrap();
    assert!(text.contains(r#""price":449.00,"currency":"INR""#), "{text}");
    let body: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(body, created);
    assert_eq!(body["available"], Value::Null, "nobody told yet");
    assert_eq!((&body["version"], &body["discontinued"]), (&1.into(), &false.into()));
    assert_problem(shop.get("/MUG-2").await, 404, "not-found", None).await;
    assert_problem(shop.get("/mug-1").await, 404, "not-found", None).await;
}

#[tokio::test]
async fn pages_follow_each_other_without_gap_or_repeat() {
    let shop = Shop::open().await;
    for number in 0..25 {
        ok(shop.create(&draft(&format!("MUG-{number:02}"))).await, 201).await;
    }
    let (first, cursor) = shop.page("").await;
    assert_eq!((first.len(), first[0].as_str()), (20, "MUG-00"));
    let cursor = cursor.unwrap();

    // What comes and goes between two pages shifts nothing.
    ok(shop.create(&draft("A-NEW-ONE")).await, 201).await;
    assert_eq!(shop.discontinue(first.last().unwrap()).await.status(), 204);
    assert_eq!(shop.discontinue("MUG-22").await.status(), 204);

    let (second, end) = shop.page(&format!("cursor={cursor}")).await;
    assert_eq!(
        (second, end),
        (["MUG-20", "MUG-21", "MUG-23", "MUG-24"].map(str::to_owned).into(), None)
    );

    let mut seen = Vec::new();
    let mut query = "limit=7".to_owned();
    loop {
        let (skus, cursor) = shop.page(&query).await;
        seen.extend(skus);
        let Some(cursor) = cursor else { break };
        query = format!("limit=7&cursor={cursor}");
    }
    assert!(seen.is_sorted() && seen.len() == 24, "{seen:?}");
    let (exact, end) = shop.page("limit=24").await;
    assert_eq!((exact, end), (seen, None), "a full last page has no next one");
}

#[tokio::test]
async fn search_finds_words_by_their_beginning_anywhere() {
    let shop = Shop::open().await;
    for (sku, fields) in [
        ("MUG-1", json!({"name": "Indigo stoneware mug", "description": "Holds 350ml."})),
        ("MUG-2", json!({"name": "Café cup", "description": "Blue & white; 100% porcelain."})),
        (
            "LAMP_9",
            json!({"name": "Desk lamp", "category": "Home", "description": "O'Brien's oak"}),
        ),
        ("TEA.7", json!({"name": "दार्जिलिंग चाय", "category": "Pantry", "description": ""})),
    ] {
        ok(shop.create(&with(sku, &fields)).await, 201).await;
    }
    for (query, found) in [
        ("q=stone", vec!["MUG-1"]),
        ("q=INDIGO%20mug", vec!["MUG-1"]),
        ("q=mug%20indigo", vec!["MUG-1"]),
        ("q=ware", vec![]),
        ("q=mug", vec!["MUG-1", "MUG-2"]),
        ("q=mug-2", vec!["MUG-2"]),
        ("q=CAF%C3%89", vec!["MUG-2"]),
        ("q=caf%C3%A9%20blue", vec!["MUG-2"]),
        ("q=350", vec!["MUG-1"]),
        ("q=lamp_9", vec!["LAMP_9"]),
        ("q=o%27brien", vec!["LAMP_9"]),
        ("q=home", vec!["LAMP_9"]),
        ("q=%E0%A4%9A%E0%A4%BE%E0%A4%AF", vec!["TEA.7"]),
        ("q=kitchen&category=Kitchen", vec!["MUG-1", "MUG-2"]),
        ("q=mug&category=Home", vec![]),
        ("category=Home", vec!["LAMP_9"]),
        ("category=home", vec![]),
        ("q=&category=", vec!["LAMP_9", "MUG-1", "MUG-2", "TEA.7"]),
        // What means something to SQL, to LIKE or to full text search means nothing here.
        ("q=%25", vec![]),
        ("q=_", vec![]),
        ("q=%27", vec![]),
        ("q=%26%20%7C%20%21", vec![]),
        ("q=mug%20%7C%20lamp", vec![]),
        ("q=mug:*%20%26%20!indigo", vec!["MUG-1"]),
        ("q=%5C%27%29%3B%20DROP%20TABLE%20products", vec![]),
    ] {
        assert_eq!(shop.page(query).await.0, found, "{query}");
    }
    let (first, cursor) = shop.page("q=kitchen&limit=1").await;
    let (second, end) = shop.page(&format!("q=kitchen&limit=1&cursor={}", cursor.unwrap())).await;
    assert_eq!((first, second, end), (vec!["MUG-1".into()], vec!["MUG-2".into()], None));
}

#[tokio::test]
async fn the_routes_are_described() {
    let shop = Shop::open().await;
    let url = format!("{}/openapi.json", shop.service.url);
    let document: Value = reqwest::get(url).await.unwrap().json().await.unwrap();
    let parameters = document["paths"]["/api/products"]["get"]["parameters"].as_array().unwrap();
    let named: Vec<_> =
        parameters.iter().map(|parameter| (&parameter["name"], &parameter["in"])).collect();
    let expected = ["q", "category", "limit", "cursor"].map(|name| (json!(name), json!("query")));
    assert_eq!(named, expected.each_ref().map(|(name, place)| (name, place)));
    let product = &document["paths"]["/api/products/{sku}"];
    for method in ["get", "patch", "delete"] {
        assert_eq!(product[method]["parameters"][0]["in"], "path", "{method}");
    }
}

#[tokio::test]
async fn a_search_of_a_large_catalogue_reads_an_index() {
    let shop = Shop::open().await;
    sqlx::raw_sql(
        "INSERT INTO products (sku, name, description, category, price_minor, currency, version, created_at, updated_at)
         SELECT 'SKU-' || n, 'thing ' || n, md5(n::text), 'c' || n % 50, 1, 'INR', 1, now(), now()
         FROM generate_series(1, 20000) n; ANALYZE products;",
    )
    .execute(&shop.service.pool)
    .await
    .unwrap();
    assert_eq!(shop.page("q=thing%2019999").await.0, ["SKU-19999"]);
    assert_eq!(shop.page("q=thing&limit=2").await.0, ["SKU-1", "SKU-10"]);
    // Postgres counts with a delay.
    eventually(Duration::from_secs(30), async || {
        let scans: i64 = sqlx::query_scalar(
            "SELECT idx_scan FROM pg_stat_user_indexes WHERE indexrelname = 'products_search'",
        )
        .fetch_one(&shop.service.pool)
        .await
        .unwrap();
        (scans == 2).then_some(())
    })
    .await;
}
