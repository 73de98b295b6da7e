//! What is refused for how it is written.

use reqwest::Method;
use serde_json::{Value, json};

use crate::running::{Answer, PASSWORD, Running, send};

impl Running {
    async fn post_text(
        &self,
        path: &str,
        content_type: &str,
        body: impl Into<reqwest::Body>,
    ) -> Answer {
        let request = self.request(Method::POST, &format!("/api/users/{path}"));
        send(request.header("content-type", content_type).body(body)).await
    }
}

#[tokio::test]
async fn the_field_that_is_wrong_is_named() {
    let auth = Running::start().await;
    let email = "asha@example.org";
    let long_email = format!("{}@example.org", "a".repeat(250));
    let cases: [(Value, &str); 14] = [
        (json!({"password": PASSWORD}), "email"),
        (json!({"email": email}), "password"),
        (json!({"email": "asha", "password": PASSWORD}), "email"),
        (json!({"email": "", "password": PASSWORD}), "email"),
        (json!({"email": long_email, "password": PASSWORD}), "email"),
        (json!({"email": "a@b.org\r\nBcc: c@d.org", "password": PASSWORD}), "email"),
        (json!({"email": 7, "password": PASSWORD}), "email"),
        (json!({"email": null, "password": PASSWORD}), "email"),
        (json!({"email": email, "password": "x".repeat(129)}), "password"),
        (json!({"email": email, "password": ["x"]}), "password"),
        (json!({"email": email, "password": "nul \u{0} nul"}), "password"),
        (json!({"email": email, "password": PASSWORD, "role": "admin"}), "role"),
        (json!({"email": email, "password": PASSWORD, "isAdmin": true}), "isAdmin"),
        (json!([]), "body"),
    ];
    for path in ["signup", "signin"] {
        for (body, field) in &cases {
            let answer = send(auth.post(path, body)).await;
            let answer = answer.problem(422, "invalid-field", Some(field));
            assert!(answer.text("detail").contains(field), "{path} {body}");
        }
    }
    assert_eq!(auth.count("SELECT count(*) FROM users").await, 0);
    assert_eq!(auth.count("SELECT count(*) FROM sign_in_attempts").await, 0);
}

#[tokio::test]
async fn nobody_signs_up_with_an_address_that_cannot_be_written_to() {
    let auth = Running::start().await;
    let long = format!("asha@{}.org", "b".repeat(200));
    for email in [
        "a@b@c",
        "victim@a.org,me@b.org",
        "<v@b.c>",
        "a@b;c",
        "\"x\"1@b.c",
        "as\u{200b}ha@example.org",
        &long,
    ] {
        let answer = auth.sign_up(email).await.problem(422, "invalid-field", Some("email"));
        assert!(!answer.body.to_string().contains(email), "{}", answer.body);
        // Whoever has one by now can still sign in.
        auth.sign_in(email, PASSWORD).await.is(401);
    }
    assert_eq!(auth.count("SELECT count(*) FROM users").await, 0);
}

#[tokio::test]
async fn new_passwords_have_8_to_128_characters() {
    let auth = Running::start().await;
    for (length, status) in [(0, 422), (7, 422), (8, 201), (128, 201), (129, 422)] {
        let email = format!("customer{length}@example.org");
        let body = json!({"email": email, "password": "ä".repeat(length)});
        let answer = send(auth.post("signup", &body)).await.is(status);
        if status == 422 {
            let detail = answer.problem(422, "invalid-field", Some("password")).text("detail");
            assert!(detail.contains("8 to 128 characters"), "{detail}");
        }
    }
}

#[tokio::test]
async fn what_is_no_json_is_refused() {
    let auth = Running::start().await;
    for path in ["signup", "signin", "refresh", "signout"] {
        let body = r#"{"email":"asha@example.org","password":"correct horse battery"}"#;
        let answer = auth.post_text(path, "text/plain", body).await;
        answer.problem(415, "unsupported-media-type", None);
        let answer = auth.post_text(path, "application/x-www-form-urlencoded", "email=a").await;
        answer.problem(415, "unsupported-media-type", None);
        let answer = auth.post_text(path, "application/json", "{").await;
        answer.problem(400, "malformed-json", None);
        let answer = auth.post_text(path, "application/json", b"{\"\xff\":1}".as_slice()).await;
        answer.problem(400, "malformed-json", None);
        let large = format!(r#"{{"email":"{}"}}"#, "a".repeat(64 * 1024));
        let answer = auth.post_text(path, "application/json", large).await;
        answer.problem(413, "body-too-large", None);
    }
    auth.post_text("signup", "application/json", "").await.problem(400, "malformed-json", None);
}

#[tokio::test]
async fn a_refresh_token_is_a_text_and_comes_alone() {
    let auth = Running::start().await;
    for path in ["refresh", "signout"] {
        for (body, field) in [
            (json!({}), "refreshToken"),
            (json!({"refreshToken": null}), "refreshToken"),
            (json!({"refreshToken": 7}), "refreshToken"),
            (json!({"refreshToken": "a\u{0}"}), "refreshToken"),
            (json!({"refreshToken": "a", "userId": "cust_1"}), "userId"),
        ] {
            send(auth.post(path, &body)).await.problem(422, "invalid-field", Some(field));
        }
    }
}

#[tokio::test]
async fn other_methods_and_paths_are_problems() {
    let auth = Running::start().await;
    let answer = send(auth.request(Method::GET, "/api/users/signin")).await;
    answer.problem(405, "method-not-allowed", None);
    send(auth.request(Method::GET, "/api/users")).await.problem(404, "not-found", None);
}

#[tokio::test]
async fn the_document_tells_what_a_password_must_be() {
    let auth = Running::start().await;
    let document = send(auth.request(Method::GET, "/openapi.json")).await.is(200).body;
    let schemas = &document["components"]["schemas"];
    assert_eq!(schemas["NewCredentials"]["properties"]["password"]["minLength"], 8);
    assert!(schemas["SignedInBody"]["properties"]["accessToken"].is_object(), "{schemas}");
}
