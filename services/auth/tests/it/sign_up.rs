//! Signing up.

use contracts::events::{Event, Role};
use contracts::topic::Topic;
use reqwest::Method;
use reqwest::header::COOKIE;
use serde_json::json;

use crate::running::{PASSWORD, Running, config, send};

#[tokio::test]
async fn a_new_customer_is_signed_in() {
    let auth = Running::start().await;
    let answer = auth.sign_up("  Asha@Example.org ").await.is(201);
    let id = answer.body["user"]["id"].as_str().unwrap();
    assert!(id.starts_with("cust_"), "{id}");
    let user = json!({"id": id, "email": "asha@example.org", "role": "customer"});
    assert_eq!(answer.body["user"], user);
    assert_eq!(answer.body["tokenType"], "Bearer");
    assert_eq!(answer.body["expiresIn"], 900);
    assert_eq!(answer.body["refreshExpiresIn"], 30 * 86_400);
    assert_eq!(answer.headers["cache-control"], "no-store");
    assert_eq!(answer.refresh().len(), 64);

    assert_eq!(auth.me(&answer.access()).await.is(200).body, user);
    let by_cookie = auth.request(Method::GET, "/api/users/me");
    let by_cookie = by_cookie.header(COOKIE, format!("access_token={}", answer.access()));
    assert_eq!(send(by_cookie).await.is(200).body, user);
    assert_eq!(auth.sign_in("asha@example.org", PASSWORD).await.is(200).body["user"], user);
}

#[tokio::test]
async fn browsers_get_cookies_that_scripts_and_other_sites_cannot_use() {
    let auth = Running::start().await;
    let answer = auth.sign_up("asha@example.org").await.is(201);
    let (access, refresh) = (answer.access(), answer.refresh());
    let flags = "HttpOnly; SameSite=Strict; Secure";
    let expected = [
        format!("access_token={access}; Path=/; Max-Age=900; {flags}"),
        format!("refresh_token={refresh}; Path=/api/users; Max-Age=2592000; {flags}"),
    ];
    assert_eq!(answer.cookies(), expected);

    let plain_http = Running::with(auth::Config { cookie_secure: false, ..config() }).await;
    for cookie in plain_http.sign_up("asha@example.org").await.is(201).cookies() {
        assert!(cookie.ends_with("; HttpOnly; SameSite=Strict"), "{cookie}");
    }
}

#[tokio::test]
async fn the_other_services_are_told_of_a_new_user() {
    let auth = Running::start().await;
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    let request = auth.post("signup", &json!({"email": "Asha@example.org", "password": PASSWORD}));
    let answer = send(request.header("traceparent", format!("00-{trace}-00f067aa0ba902b7-01")))
        .await
        .is(201);
    auth.sign_up("ravi@example.org").await.is(201);

    let registered = |events: &[Event]| {
        events.iter().filter(|event| matches!(event, Event::UserRegistered(_))).count()
    };
    let events = auth.env.events(Topic::Users, |events| registered(events) == 2).await;
    let told = events.iter().find_map(|event| match event {
        Event::UserRegistered(told) if told.email.as_str() == "asha@example.org" => Some(told),
        _ => None,
    });
    let told = told.unwrap();
    assert_eq!(told.user_id.to_string(), answer.body["user"]["id"]);
    assert_eq!(told.role, Role::Customer);
    assert_eq!(told.trace_id.to_string(), trace);
}

#[tokio::test]
async fn an_address_is_taken_once_also_in_other_letters_and_at_the_same_time() {
    let auth = Running::start().await;
    let emails = ["asha@example.org", "ASHA@example.org", " asha@Example.org"];
    let answers = futures(emails.iter().cycle().take(6).map(|email| auth.sign_up(email))).await;
    let (created, refused): (Vec<_>, Vec<_>) =
        answers.into_iter().partition(|answer| answer.status == 201);
    assert_eq!(created.len(), 1);
    for answer in refused {
        answer.problem(409, "email-taken", Some("email"));
    }
    assert_eq!(auth.count("SELECT count(*) FROM users").await, 1);
    assert_eq!(auth.count("SELECT count(*) FROM sessions").await, 1);
}

#[tokio::test]
async fn neither_passwords_nor_refresh_tokens_are_stored() {
    let auth = Running::start().await;
    let refresh = auth.sign_up("asha@example.org").await.is(201).refresh();
    let hash: String = sqlx::query_scalar("SELECT password_hash FROM users")
        .fetch_one(&auth.service.pool)
        .await
        .unwrap();
    assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
    let stored: Vec<u8> = sqlx::query_scalar("SELECT token_hash FROM refresh_tokens")
        .fetch_one(&auth.service.pool)
        .await
        .unwrap();
    assert_eq!(stored.len(), 32);
    assert!(!refresh.as_bytes().starts_with(&stored[..8]));
}

#[tokio::test]
async fn a_burst_is_turned_away_instead_of_taking_all_memory() {
    let auth = Running::with(auth::Config { sign_ups_per_address: 1000, ..config() }).await;
    let emails: Vec<String> = (0..250).map(|n| format!("customer{n}@example.org")).collect();
    let answers = futures(emails.iter().map(|email| auth.sign_up(email))).await;
    let (created, refused): (Vec<_>, Vec<_>) =
        answers.into_iter().partition(|answer| answer.status == 201);
    assert!(created.len() > 64, "those that found a place are served: {}", created.len());
    assert!(!refused.is_empty());
    for answer in refused {
        assert_eq!(answer.headers["retry-after"], "1");
        answer.problem(503, "unavailable", None);
    }
    auth.sign_up("later@example.org").await.is(201);
}

#[tokio::test]
async fn so_many_sign_up_from_one_address_and_no_more() {
    let few = auth::Config { sign_ups_per_address: 3, trusted_proxies: 1, ..config() };
    let auth = Running::with(few).await;
    let sign_up = async |name: &str, address: &str| {
        let email = format!("{name}@example.org");
        let request = auth.post("signup", &json!({"email": email, "password": PASSWORD}));
        send(request.header("x-forwarded-for", format!("6.6.6.6, {address}"))).await
    };
    let names: Vec<String> = (0..10).map(|n| format!("customer{n}")).collect();
    let answers = futures(names.iter().map(|name| sign_up(name, "192.0.2.1"))).await;
    let (created, refused): (Vec<_>, Vec<_>) =
        answers.into_iter().partition(|answer| answer.status == 201);
    assert_eq!(created.len(), 3);
    for answer in refused {
        let wait: u32 = answer.headers["retry-after"].to_str().unwrap().parse().unwrap();
        assert!((800..=900).contains(&wait), "{wait}");
        answer.problem(429, "too-many-sign-ups", None);
    }
    assert_eq!(auth.count("SELECT count(*) FROM users").await, 3);

    // One that is refused tells something too, and counts.
    sign_up("asha", "192.0.2.2").await.is(201);
    sign_up("asha", "192.0.2.2").await.is(409);
    sign_up("asha", "192.0.2.2").await.is(409);
    sign_up("asha", "192.0.2.2").await.is(429);
    auth.sign_in("asha@example.org", PASSWORD).await.is(200);
    auth.sql(
        "UPDATE sign_in_attempts SET attempted_at = \
         ARRAY(SELECT t - interval '15 minutes' FROM unnest(attempted_at) AS t ORDER BY t)",
    )
    .await;
    sign_up("ravi", "192.0.2.2").await.is(201);
}

async fn futures<F: Future>(futures: impl Iterator<Item = F>) -> Vec<F::Output> {
    futures_util::future::join_all(futures).await
}
