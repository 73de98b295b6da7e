//! Who gets in, with keys from a real Postgres.

use std::time::{Duration, Instant};

use chrono::{TimeDelta, Utc};
use contracts::events::{PublicKey, Role};
use contracts::ids::CustomerId;
use reqwest::Response;
use service_kit::config::DatabaseArgs;
use service_kit::testing::TestSigner;
use service_kit::{database, tokens};
use sqlx::PgPool;
use test_support::{OwnPostgres, TestEnv, eventually};
use uuid::Uuid;

use crate::sample::Sample;

const DEADLINE: Duration = Duration::from_secs(20);

async fn migrated(env: &TestEnv) -> PgPool {
    let args = DatabaseArgs { database_url: env.database_url(), database_max_connections: 4 };
    let pool = database::connect(&args, env.service()).await.unwrap();
    database::migrate(&pool, &[]).await.unwrap();
    pool
}

async fn publish_key(pool: &PgPool) {
    let mut connection = pool.acquire().await.unwrap();
    tokens::store_signing_key(&mut connection, &TestSigner::new().published()).await.unwrap();
}

fn customer() -> CustomerId {
    CustomerId::from_uuid(Uuid::now_v7())
}

fn bearer(customer: CustomerId, role: Role) -> String {
    format!("Bearer {}", TestSigner::new().token(customer, role).unwrap())
}

fn assert_unauthenticated(response: &Response) {
    assert_eq!(response.status(), 401);
    assert_eq!(response.headers()["www-authenticate"], "Bearer");
    assert_eq!(response.headers()["content-type"], "application/problem+json");
}

#[tokio::test]
async fn a_caller_is_known_by_header_or_cookie() {
    let pool = migrated(&TestEnv::new("sample").await).await;
    publish_key(&pool).await;
    let sample = Sample::start_with(pool, |_kit| {}).await;
    let customer = customer();
    let token = TestSigner::new().token(customer, Role::Customer).unwrap();

    let response = sample.get_with("/api/me", "authorization", &format!("Bearer {token}")).await;
    assert_eq!(response.text().await.unwrap(), customer.to_string());
    let response = sample.get_with("/api/me", "cookie", &format!("access_token={token}")).await;
    assert_eq!(response.text().await.unwrap(), customer.to_string());

    assert_unauthenticated(&sample.get("/api/me").await);
    assert_unauthenticated(&sample.get_with("/api/me", "authorization", &token).await);
    assert_unauthenticated(&sample.get_with("/api/me", "authorization", "Bearer a.b.c").await);
    let past = Utc::now() - TimeDelta::minutes(1);
    let expired = TestSigner::new().token_until(customer, Role::Customer, past).unwrap();
    assert_unauthenticated(
        &sample.get_with("/api/me", "authorization", &format!("Bearer {expired}")).await,
    );
}

#[tokio::test]
async fn what_a_caller_is_answered_is_kept_nowhere() {
    let sample = Sample::start().await;
    for (header, value) in [("authorization", "Bearer a.b.c"), ("cookie", "access_token=a.b.c")] {
        for path in ["/api/me", "/api/trace", "/api/nothing"] {
            let response = sample.get_with(path, header, value).await;
            assert_eq!(response.headers()["cache-control"], "no-store", "{header} {path}");
        }
        let cacheable = sample.get_with("/api/cacheable", header, value).await;
        assert_eq!(cacheable.headers()["cache-control"], "public", "the handler knows better");
    }
    assert!(!sample.get("/api/trace").await.headers().contains_key("cache-control"));
}

#[tokio::test]
async fn only_admins_are_admins() {
    let pool = migrated(&TestEnv::new("sample").await).await;
    publish_key(&pool).await;
    let sample = Sample::start_with(pool, |_kit| {}).await;
    assert_unauthenticated(&sample.get("/api/admin").await);
    let customers = bearer(customer(), Role::Customer);
    let response = sample.get_with("/api/admin", "authorization", &customers).await;
    assert_eq!(response.status(), 403);
    assert_eq!(response.headers()["content-type"], "application/problem+json");
    let admins = bearer(customer(), Role::Admin);
    assert_eq!(sample.get_with("/api/admin", "authorization", &admins).await.status(), 200);
}

#[tokio::test]
async fn a_key_published_later_is_found_without_a_query_a_request() {
    let pool = migrated(&TestEnv::new("sample").await).await;
    let sample = Sample::start_with(pool.clone(), |_kit| {}).await;
    let token = bearer(customer(), Role::Customer);
    let asked = Instant::now();
    assert_unauthenticated(&sample.get_with("/api/me", "authorization", &token).await);
    publish_key(&pool).await;
    let second = sample.get_with("/api/me", "authorization", &token).await.status();
    assert!(second == 401 || asked.elapsed() >= Duration::from_secs(1), "asked twice in a second");
    eventually(DEADLINE, async || {
        let response = sample.get_with("/api/me", "authorization", &token).await;
        (response.status() == 200).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_service_that_checks_tokens_is_ready_once_it_has_a_key_and_then_takes_them_at_once() {
    let pool = migrated(&TestEnv::new("sample").await).await;
    let sample = Sample::start_with(pool.clone(), |kit| kit.await_signing_keys()).await;
    assert_eq!(sample.get("/readyz").await.status(), 503);
    publish_key(&pool).await;
    assert_eq!(sample.get("/readyz").await.status(), 200);
    let token = bearer(customer(), Role::Customer);
    let response = sample.get_with("/api/me", "authorization", &token).await;
    assert_eq!(response.status(), 200);
}

#[tokio::test]
async fn a_key_comes_twice_and_in_any_order() {
    let pool = migrated(&TestEnv::new("sample").await).await;
    let mut connection = pool.acquire().await.unwrap();
    let published = TestSigner::new().published();
    let mut withdrawn = published.clone();
    withdrawn.expires_at = Utc::now() - TimeDelta::seconds(1);
    withdrawn.public_key = PublicKey::from_bytes(&[1; 32]);
    for event in [&published, &withdrawn, &withdrawn, &published] {
        tokens::store_signing_key(&mut connection, event).await.unwrap();
    }
    let stored: (String, bool) =
        sqlx::query_as("SELECT public_key, expires_at < now() FROM signing_keys")
            .fetch_one(&mut *connection)
            .await
            .unwrap();
    assert_eq!(stored, (published.public_key.to_string(), true));

    let sample = Sample::start_with(pool.clone(), |_kit| {}).await;
    let token = bearer(customer(), Role::Customer);
    assert_unauthenticated(&sample.get_with("/api/me", "authorization", &token).await);
}

#[tokio::test]
async fn known_keys_go_on_while_the_database_is_away() {
    let mut postgres = OwnPostgres::start().await;
    let env = TestEnv::on("sample", &postgres.url(), "127.0.0.1:1").await;
    let pool = migrated(&env).await;
    publish_key(&pool).await;
    let sample = Sample::start_with(pool, |_kit| {}).await;
    let known = bearer(customer(), Role::Customer);
    let get_me = async |token: &str| sample.get_with("/api/me", "authorization", token).await;
    assert_eq!(get_me(&known).await.status(), 200);
    assert_eq!(sample.get("/readyz").await.status(), 200);

    postgres.stop_immediate().await;
    assert_eq!(get_me(&known).await.status(), 200);
    let (head, rest) = known.split_once('.').unwrap();
    let other_key = format!("Bearer eyJhbGciOiJFZERTQSIsImtpZCI6Im90aGVyIn0.{rest}");
    assert!(head.starts_with("Bearer "));
    // For a second after the last reading of the keys it is known that there is no such key.
    let response = eventually(DEADLINE, async || {
        let response = get_me(&other_key).await;
        (response.status() != 401).then_some(response)
    })
    .await;
    for response in [response, get_me(&other_key).await] {
        assert_eq!(response.status(), 503);
        assert_eq!(response.headers()["retry-after"], "1");
    }
    assert_eq!(sample.get("/readyz").await.status(), 503);

    postgres.start_again().await;
    eventually(DEADLINE, async || (get_me(&other_key).await.status() == 401).then_some(())).await;
    eventually(DEADLINE, async || (sample.get("/readyz").await.status() == 200).then_some(()))
        .await;
}
