//! Tokens that nobody may get in with.

use anyhow::Context;
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use chrono::{TimeDelta, Utc};
use contracts::events::PublicKey;
use contracts::ids::CustomerId;
use jsonwebtoken::EncodingKey;
use jsonwebtoken::crypto::sign;
use serde_json::{Value, json};

use super::{KEY_ID, PKCS8_START, PUBLIC_KEY, TestSigner};
use crate::tokens::{AUDIENCE, ISSUER};

/// What is wrong with a token, and the token.
pub type Forged = (&'static str, String);

/// Tokens of a customer who would be an admin, each wrong in one way, by somebody who knows all that
/// is public. Some are signed with the test's own key, to show that nothing else is wrong with them.
pub fn forged_tokens(customer: CustomerId) -> anyhow::Result<Vec<Forged>> {
    let right = claims(customer);
    let mut tokens = claims_changed(&right)?;
    tokens.extend(headers_changed(&right)?);
    tokens.extend(signatures_changed(&right)?);
    tokens.extend(no_tokens(&right)?);
    Ok(tokens)
}

fn claims(customer: CustomerId) -> Value {
    let now = Utc::now();
    json!({
        "iss": ISSUER, "aud": AUDIENCE, "sub": customer, "role": "admin",
        "iat": now.timestamp(), "exp": (now + TimeDelta::hours(1)).timestamp(),
    })
}

/// Signed as it should be, with claims that should not be.
fn claims_changed(right: &Value) -> anyhow::Result<Vec<Forged>> {
    let now = Utc::now();
    let changes = [
        ("expired", "exp", json!((now - TimeDelta::minutes(1)).timestamp())),
        ("an end that is no number", "exp", json!("never")),
        ("not yet valid", "nbf", json!((now + TimeDelta::hours(1)).timestamp())),
        ("another issuer", "iss", json!("somebody")),
        ("another audience", "aud", json!("somebody")),
        ("our audience among others", "aud", json!([AUDIENCE, "somebody"])),
        ("of nobody we know of", "sub", json!("ord_01h455vb4pex5vsknk084sn02q")),
        ("a role that does not exist", "role", json!("owner")),
    ];
    let mut tokens = Vec::new();
    for (what, claim, value) in changes {
        let mut claims = right.clone();
        claims[claim] = value;
        tokens.push((what, TestSigner::new().sign(&claims)?));
    }
    for claim in ["iss", "aud", "sub", "role", "exp"] {
        let mut claims = right.clone();
        claims.as_object_mut().context("claims are an object")?.remove(claim);
        tokens.push(("a claim is missing", TestSigner::new().sign(&claims)?));
    }
    Ok(tokens)
}

/// Whose header asks to be checked otherwise.
fn headers_changed(right: &Value) -> anyhow::Result<Vec<Forged>> {
    let mut tokens = Vec::new();
    let ours = TestSigner::new().sign(right)?;
    let (_, signature) = ours.rsplit_once('.').context("a token has three parts")?;
    for algorithm in ["none", "None", "NONE"] {
        let unsigned = unsigned(&json!({"alg": algorithm, "kid": KEY_ID}), right);
        tokens.push(("no algorithm, no signature", format!("{unsigned}.")));
        tokens.push(("no algorithm", format!("{unsigned}.{signature}")));
    }
    let public_text = PublicKey::from_bytes(&PUBLIC_KEY);
    for secret in [PUBLIC_KEY.as_slice(), public_text.as_str().as_bytes()] {
        let header = json!({"alg": "HS256", "typ": "JWT", "kid": KEY_ID});
        let key = EncodingKey::from_secret(secret);
        tokens.push(("the public key as secret", signed(&header, right, &key)?));
    }
    for kid in ["made up", "", "test'--", "../test", "TEST"] {
        let header = json!({"alg": "EdDSA", "kid": kid});
        tokens.push(("an unknown key", signed(&header, right, &own_key())?));
    }
    tokens.push(("no key", signed(&json!({"alg": "EdDSA"}), right, &own_key())?));
    let other_public = "Kt__Vz5ZVqv9X9oPj3Bb7mvz3h8WZx0m2v1QyZ0mY2A";
    let header = json!({
        "alg": "EdDSA", "kid": KEY_ID,
        "jwk": {"kty": "OKP", "crv": "Ed25519", "x": other_public},
    });
    tokens.push(("a key that it brings itself", signed(&header, right, &other_key())?));
    Ok(tokens)
}

/// Whose signature is not of what is signed.
fn signatures_changed(right: &Value) -> anyhow::Result<Vec<Forged>> {
    let header = json!({"alg": "EdDSA", "kid": KEY_ID});
    let ours = signed(&header, right, &own_key())?;
    let (head, signature) = ours.rsplit_once('.').context("a token has three parts")?;
    let mut customers = right.clone();
    customers["role"] = json!("customer");
    let customers = signed(&header, &customers, &own_key())?;
    let (_, others) = customers.rsplit_once('.').context("a token has three parts")?;
    Ok(vec![
        ("signed by somebody else", signed(&header, right, &other_key())?),
        ("changed claims", format!("{head}.{others}")),
        ("a cut signature", format!("{head}.{}", &signature[..signature.len() - 4])),
        ("half a signature", format!("{head}.{}", &signature[..signature.len() / 2])),
        ("an empty signature", format!("{head}.")),
        ("a signature of zeros", format!("{head}.{}", BASE64_URL_SAFE_NO_PAD.encode([0; 64]))),
        ("no signature", head.to_owned()),
        ("two signatures", format!("{ours}.{signature}")),
    ])
}

/// What is no access token at all.
fn no_tokens(right: &Value) -> anyhow::Result<Vec<Forged>> {
    let customer = right["sub"].as_str().context("claims have a subject")?;
    Ok(vec![
        ("a refresh token", "5e".repeat(32)),
        ("an id", customer.to_owned()),
        ("claims alone", BASE64_URL_SAFE_NO_PAD.encode(right.to_string())),
        ("nothing but dots", "..".to_owned()),
        ("a long text", "a".repeat(10_000)),
    ])
}

fn unsigned(header: &Value, claims: &Value) -> String {
    let part = |part: &Value| BASE64_URL_SAFE_NO_PAD.encode(part.to_string());
    format!("{}.{}", part(header), part(claims))
}

/// By the algorithm that the header names, `HS256` or else `EdDSA`.
fn signed(header: &Value, claims: &Value, key: &EncodingKey) -> anyhow::Result<String> {
    let algorithm = header["alg"].as_str().unwrap_or_default().parse()?;
    let unsigned = unsigned(header, claims);
    let signature = sign(unsigned.as_bytes(), key, algorithm)?;
    Ok(format!("{unsigned}.{signature}"))
}

fn own_key() -> EncodingKey {
    TestSigner::new().key
}

fn other_key() -> EncodingKey {
    EncodingKey::from_ed_der(&[PKCS8_START.as_slice(), [7; 32].as_slice()].concat())
}
