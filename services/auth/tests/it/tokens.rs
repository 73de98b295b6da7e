//! Access tokens that are not what they should be.

use chrono::Utc;
use contracts::events::Role;
use contracts::ids::CustomerId;
use ed25519_dalek::SigningKey;
use ed25519_dalek::pkcs8::EncodePrivateKey;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use reqwest::Method;
use serde_json::{Value, json};
use service_kit::testing::TestCaller;
use uuid::Uuid;

use crate::running::{Answer, Running, config, send};

/// Somebody who knows all that is public, and here the private key too, to show that nothing else is
/// wrong with what is refused.
struct Forger {
    auth: Running,
    customer: Answer,
    private: [u8; 32],
}

impl Forger {
    async fn new() -> Self {
        let auth = Running::start().await;
        let customer = auth.sign_up("asha@example.org").await.is(201);
        let private: Vec<u8> = sqlx::query_scalar("SELECT private_key FROM signing_key_pairs")
            .fetch_one(&auth.service.pool)
            .await
            .unwrap();
        Self { auth, customer, private: private.try_into().unwrap() }
    }

    fn claims(&self) -> Value {
        let now = Utc::now().timestamp();
        json!({
            "iss": "boutique", "aud": "boutique", "sub": self.customer.body["user"]["id"],
            "role": "admin", "iat": now, "exp": now + 900,
        })
    }

    async fn is_refused(&self, token: &str) {
        let answer = self.auth.me(token).await.problem(401, "unauthenticated", None);
        assert_eq!(answer.headers["www-authenticate"], "Bearer");
    }
}

fn signed(kid: &str, private: [u8; 32], claims: &Value) -> String {
    let mut header = Header::new(Algorithm::EdDSA);
    header.kid = Some(kid.to_owned());
    let pkcs8 = SigningKey::from_bytes(&private).to_pkcs8_der().unwrap();
    let key = EncodingKey::from_ed_der(pkcs8.as_bytes());
    jsonwebtoken::encode(&header, claims, &key).unwrap()
}

#[tokio::test]
async fn without_a_token_nobody_is_known() {
    let auth = Running::start().await;
    let answer = send(auth.request(Method::GET, "/api/users/me")).await;
    answer.problem(401, "unauthenticated", None);
}

#[tokio::test]
async fn claims_have_to_be_right() {
    let forger = Forger::new().await;
    let kid = forger.customer.kid();
    let right = signed(&kid, forger.private, &forger.claims());
    forger.auth.me(&right).await.is(200);
    for (claim, value) in [
        ("iss", json!("somebody")),
        ("aud", json!("somebody")),
        ("exp", json!(Utc::now().timestamp() - 60)),
        ("sub", json!("asha@example.org")),
        ("role", json!("owner")),
    ] {
        let mut claims = forger.claims();
        claims[claim] = value;
        forger.is_refused(&signed(&kid, forger.private, &claims)).await;
        claims.as_object_mut().unwrap().remove(claim);
        forger.is_refused(&signed(&kid, forger.private, &claims)).await;
    }
}

#[tokio::test]
async fn the_signature_has_to_be_of_a_published_key() {
    let forger = Forger::new().await;
    let kid = forger.customer.kid();
    forger.is_refused(&signed(&kid, [7; 32], &forger.claims())).await;
    forger.is_refused(&signed("made up", forger.private, &forger.claims())).await;
    forger.is_refused(&signed("made up", [7; 32], &forger.claims())).await;

    let token = forger.customer.access();
    let (head, signature) = token.rsplit_once('.').unwrap();
    let other = signed(&kid, forger.private, &forger.claims());
    let (other_head, _) = other.rsplit_once('.').unwrap();
    forger.is_refused(&format!("{other_head}.{signature}")).await;
    forger.is_refused(&format!("{head}.")).await;
    forger.is_refused(head).await;
}

#[tokio::test]
async fn the_algorithm_is_not_the_callers_choice() {
    let forger = Forger::new().await;
    let kid = forger.customer.kid();
    let token = signed(&kid, forger.private, &forger.claims());
    let claims = token.split('.').nth(1).unwrap();
    // {"alg":"none"} and {"typ":"JWT","alg":"none"}
    for header in ["eyJhbGciOiJub25lIn0", "eyJ0eXAiOiJKV1QiLCJhbGciOiJub25lIn0"] {
        forger.is_refused(&format!("{header}.{claims}.")).await;
    }

    let public = SigningKey::from_bytes(&forger.private).verifying_key();
    let jwks = send(forger.auth.request(Method::GET, "/.well-known/jwks.json")).await.body;
    let text = jwks["keys"][0]["x"].as_str().unwrap();
    for secret in [public.as_bytes().as_slice(), text.as_bytes()] {
        let mut header = Header::new(Algorithm::HS256);
        header.kid = Some(kid.clone());
        let key = EncodingKey::from_secret(secret);
        let token = jsonwebtoken::encode(&header, &forger.claims(), &key).unwrap();
        forger.is_refused(&token).await;
    }
}

#[tokio::test]
async fn a_token_ends() {
    let auth = Running::with(auth::Config { access_token_seconds: 1, ..config() }).await;
    let customer = auth.sign_up("asha@example.org").await.is(201);
    assert_eq!(customer.body["expiresIn"], 1);
    // Ten more seconds are granted for clocks that differ.
    test_support::eventually(crate::running::PATIENCE, async || {
        (auth.me(&customer.access()).await.status == 401).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_token_is_no_refresh_token_and_the_other_way_round() {
    let auth = Running::start().await;
    let customer = auth.sign_up("asha@example.org").await.is(201);
    auth.refresh(&customer.access()).await.is(401);
    auth.me(&customer.refresh()).await.is(401);
}

#[tokio::test]
async fn a_user_who_does_not_exist_is_not_signed_in() {
    let auth = Running::start().await;
    let stranger = TestCaller::customer().unwrap();
    assert_eq!(stranger.customer.as_uuid().get_version_num(), 7);
    auth.me(&stranger.token).await.problem(401, "unauthenticated", None);
    let nobody = CustomerId::from_uuid(Uuid::nil());
    let token = service_kit::testing::TestSigner::new().token(nobody, Role::Admin).unwrap();
    auth.me(&token).await.problem(401, "unauthenticated", None);
}
