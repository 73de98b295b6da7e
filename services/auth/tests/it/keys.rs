//! Signing keys: published, changed in time, and what was signed with them.

use auth::keys::{When, rotate};
use auth::signing_key::KeyPolicy;
use auth::{Config, SERVICE};
use chrono::{TimeDelta, Utc};
use contracts::events::{Event, SigningKeyPublished};
use contracts::topic::Topic;
use futures_util::future::join_all;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use messaging::Outbox;
use reqwest::Method;
use serde_json::{Value, json};
use service_kit::tokens::{AUDIENCE, Claims, ISSUER};
use test_support::eventually;

use crate::running::{Answer, PATIENCE, Running, config, environment, send};

impl Running {
    async fn jwks(&self) -> Vec<Value> {
        let answer = send(self.request(Method::GET, "/.well-known/jwks.json")).await.is(200);
        answer.body["keys"].as_array().unwrap().clone()
    }

    async fn rotate(&self, policy: KeyPolicy, when: When) {
        let outbox = Outbox::new(self.service.pool.clone(), SERVICE.name);
        rotate(&outbox, policy, when).await.unwrap();
    }

    /// What has been told of keys, once it was told `count` times; by key in order.
    async fn published(&self, count: usize) -> Vec<SigningKeyPublished> {
        let keys = |events: &[Event]| -> Vec<SigningKeyPublished> {
            let key = |event: &Event| match event {
                Event::SigningKeyPublished(key) => Some(key.clone()),
                _ => None,
            };
            events.iter().filter_map(key).collect()
        };
        let events = self.env.events(Topic::Users, |events| keys(events).len() >= count).await;
        keys(&events)
    }
}

fn validation() -> Validation {
    let mut validation = Validation::new(Algorithm::EdDSA);
    validation.set_issuer(&[ISSUER]);
    validation.set_audience(&[AUDIENCE]);
    validation
}

fn verifies(answer: &Answer, key: &Value) -> bool {
    let key = DecodingKey::from_ed_components(key["x"].as_str().unwrap()).unwrap();
    jsonwebtoken::decode::<Claims>(answer.access(), &key, &validation()).is_ok()
}

#[tokio::test]
async fn tokens_are_signed_with_the_key_of_the_key_set() {
    let auth = Running::start().await;
    let answer = send(auth.request(Method::GET, "/.well-known/jwks.json")).await.is(200);
    assert_eq!(answer.headers["cache-control"], "public, max-age=150");
    assert_eq!(answer.headers["content-type"], "application/json");
    let keys = auth.jwks().await;
    assert_eq!(keys.len(), 1);
    let described = json!({
        "kty": "OKP", "crv": "Ed25519", "use": "sig", "alg": "EdDSA",
        "kid": keys[0]["kid"], "x": keys[0]["x"],
    });
    assert_eq!(keys[0], described);

    let signed_up = auth.sign_up("asha@example.org").await.is(201);
    assert_eq!(signed_up.kid(), keys[0]["kid"].as_str().unwrap());
    assert!(verifies(&signed_up, &keys[0]));
    let key = DecodingKey::from_ed_components(keys[0]["x"].as_str().unwrap()).unwrap();
    let claims = jsonwebtoken::decode::<Claims>(signed_up.access(), &key, &validation());
    let claims = claims.unwrap().claims;
    assert_eq!(claims.sub.to_string(), signed_up.body["user"]["id"]);
    assert_eq!(claims.exp - claims.iat, 900);
    assert!((Utc::now().timestamp() - claims.iat).abs() < 60);
}

#[tokio::test]
async fn the_first_key_is_published_and_used_at_once() {
    let auth = Running::start().await;
    let [published] = auth.published(1).await.try_into().unwrap();
    let keys = auth.jwks().await;
    assert_eq!(published.key_id, keys[0]["kid"].as_str().unwrap());
    assert_eq!(published.public_key.as_str(), keys[0]["x"].as_str().unwrap());
    assert_eq!(published.not_before, published.published_at);
    assert!(published.expires_at > published.not_before + TimeDelta::days(30));
}

#[tokio::test]
async fn the_next_key_is_published_before_it_signs() {
    let auth = Running::start().await;
    let before = auth.sign_up("asha@example.org").await.is(201);
    auth.rotate(config().key_policy(), When::Now).await;

    let keys = auth.jwks().await;
    assert_eq!(keys.len(), 2);
    assert_eq!(keys[0]["kid"].as_str().unwrap(), before.kid(), "in the order of their use");
    let after = auth.refresh(&before.refresh()).await.is(200);
    assert_eq!(after.kid(), before.kid(), "the new one has to become known first");

    let published = auth.published(3).await;
    let (old, new): (Vec<_>, Vec<_>) =
        published.into_iter().partition(|published| published.key_id == before.kid());
    let [first, ended] = old.try_into().unwrap();
    let [new] = new.try_into().unwrap();
    assert_eq!(new.key_id, keys[1]["kid"].as_str().unwrap());
    assert_eq!(new.not_before, new.published_at + TimeDelta::seconds(300));
    assert_eq!(ended.public_key, first.public_key);
    let last_token_ends = new.not_before + TimeDelta::seconds(900);
    assert!(ended.expires_at >= last_token_ends && ended.expires_at < first.expires_at);
}

#[tokio::test]
async fn tokens_of_the_key_before_are_good_until_they_expire() {
    let auth = Running::with(Config { key_publish_lead_seconds: 1, ..config() }).await;
    let before = auth.sign_up("asha@example.org").await.is(201);
    let policy = Config { key_publish_lead_seconds: 1, ..config() }.key_policy();
    auth.rotate(policy, When::Now).await;
    let mut session = before.refresh();
    let after = eventually(PATIENCE, async || {
        let answer = auth.refresh(&session).await.is(200);
        session = answer.refresh();
        (answer.kid() != before.kid()).then_some(answer)
    })
    .await;
    auth.me(&after.access()).await.is(200);
    auth.me(&before.access()).await.is(200);
    let keys = auth.jwks().await;
    assert!(verifies(&before, &keys[0]) && !verifies(&before, &keys[1]));
    assert!(verifies(&after, &keys[1]) && !verifies(&after, &keys[0]));
}

#[tokio::test]
async fn a_key_is_replaced_when_its_time_has_come() {
    let auth = Running::start().await;
    let policy = config().key_policy();
    auth.rotate(policy, When::Due).await;
    assert_eq!(auth.jwks().await.len(), 1, "not yet");
    auth.sql("UPDATE signing_key_pairs SET not_before = not_before - interval '30 days'").await;
    auth.rotate(policy, When::Due).await;
    auth.rotate(policy, When::Due).await;
    assert_eq!(auth.jwks().await.len(), 2, "one is enough");
    let ahead = "SELECT count(*) FROM signing_key_pairs \
                 WHERE not_before BETWEEN now() + interval '4 minutes' AND now() + interval '5 minutes'";
    assert_eq!(auth.count(ahead).await, 1);
}

#[tokio::test]
async fn replicas_that_start_together_make_one_key() {
    let env = environment().await;
    let pool = env.pool().await;
    service_kit::database::migrate(&pool, SERVICE.migrations).await.unwrap();
    let count = async |query: &'static str| -> i64 {
        sqlx::query_scalar(query).fetch_one(&pool).await.unwrap()
    };

    // Holds all of them up until the last has found that there is no key.
    let mut gate = pool.begin().await.unwrap();
    let lock = "LOCK TABLE signing_key_pairs IN SHARE ROW EXCLUSIVE MODE";
    sqlx::query(lock).execute(&mut *gate).await.unwrap();
    let rotations = (0..6).map(|_| {
        let outbox = Outbox::new(pool.clone(), SERVICE.name);
        tokio::spawn(async move { rotate(&outbox, config().key_policy(), When::Due).await })
    });
    let rotations: Vec<_> = rotations.collect();
    eventually(PATIENCE, async || {
        let waiting = "SELECT count(*) FROM pg_locks JOIN pg_database d ON d.oid = database \
                       WHERE datname = current_database() AND NOT granted";
        (count(waiting).await == 6).then_some(())
    })
    .await;
    gate.commit().await.unwrap();

    for rotated in join_all(rotations).await {
        rotated.unwrap().unwrap();
    }
    assert_eq!(count("SELECT count(*) FROM signing_key_pairs").await, 1);
    assert_eq!(count("SELECT coalesce(sum(records), 0) FROM outbox").await, 1);
}
