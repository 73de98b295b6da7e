//! Signing in, and how often it may fail.

use std::time::Duration;

use auth::auth::Auth;
use auth::error::AuthError;
use auth::passwords::Passwords;
use auth::{Config, SERVICE};
use futures_util::future::join_all;
use messaging::Outbox;
use serde_json::json;
use test_support::eventually;

use crate::running::{Answer, PASSWORD, PATIENCE, Running, config, send};

const EMAIL: &str = "asha@example.org";
const NOBODY: &str = "nobody@example.org";

fn behind_a_proxy() -> Config {
    Config { trusted_proxies: 1, ..config() }
}

/// What the handlers of the service act on.
fn auth(running: &Running, passwords: Passwords) -> Auth {
    Auth {
        outbox: Outbox::new(running.service.pool.clone(), SERVICE.name),
        passwords,
        keys: config().key_policy(),
        refresh_lifetime: config().refresh_lifetime(),
        sign_ups_per_address: config().sign_ups_per_address.into(),
    }
}

impl Running {
    /// What comes before the last address, the client has invented.
    async fn sign_in_from(&self, address: &str, email: &str, password: &str) -> Answer {
        let request = self.post("signin", &json!({"email": email, "password": password}));
        send(request.header("x-forwarded-for", format!("6.6.6.6, {address}"))).await
    }
}

#[tokio::test]
async fn each_sign_in_is_a_session_of_its_own() {
    let auth = Running::start().await;
    auth.sign_up(EMAIL).await.is(201);
    let one = auth.sign_in(" ASHA@example.org", PASSWORD).await.is(200);
    let other = auth.sign_in(EMAIL, PASSWORD).await.is(200);
    assert_eq!(one.cookies().len(), 2);
    assert_eq!(one.body["user"], other.body["user"]);
    auth.sign_out(&one.refresh()).await.is(204);
    auth.refresh(&one.refresh()).await.is(401);
    auth.refresh(&other.refresh()).await.is(200);
}

#[tokio::test]
async fn the_answer_does_not_tell_whether_an_address_is_registered() {
    let auth = Running::start().await;
    auth.sign_up(EMAIL).await.is(201);
    for password in ["wrong password", "", PASSWORD] {
        let wrong = if password == PASSWORD { "Correct horse battery" } else { password };
        let registered = auth.sign_in(EMAIL, wrong).await;
        let unregistered = auth.sign_in(NOBODY, password).await;
        let (status, headers, body) = registered.without_trace();
        assert_eq!(status, 401);
        assert_eq!(body["type"], "https://boutique.dev/problems/wrong-credentials");
        assert_eq!((status, headers, body), unregistered.without_trace());
    }
}

#[tokio::test]
async fn after_ten_failures_an_account_waits_whether_or_not_it_exists() {
    let auth = Running::start().await;
    auth.sign_up(EMAIL).await.is(201);
    for email in [EMAIL, NOBODY] {
        for _ in 0..10 {
            auth.sign_in(email, "wrong password").await.is(401);
        }
    }
    let limited = auth.sign_in(EMAIL, "wrong password").await;
    let wait: u32 = limited.headers["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((800..=900).contains(&wait), "{wait}");
    // Also with the right password: whoever guesses must not learn that this one is it.
    let right = auth.sign_in(EMAIL, PASSWORD).await;
    let nobody = auth.sign_in(NOBODY, PASSWORD).await;
    let answers = [limited, right, nobody].map(|answer| {
        let mut answer = answer.problem(429, "too-many-attempts", None);
        answer.headers.remove("retry-after").unwrap();
        answer.without_trace()
    });
    assert_eq!(answers[0], answers[1]);
    assert_eq!(answers[0], answers[2]);
    auth.sign_up("ravi@example.org").await.is(201);
    auth.sign_in("ravi@example.org", PASSWORD).await.is(200);
}

#[tokio::test]
async fn replicas_count_together() {
    let auth = Running::start().await;
    let other = auth.replica().await;
    for _ in 0..5 {
        auth.sign_in(EMAIL, "wrong password").await.is(401);
        other.sign_in(EMAIL, "wrong password").await.is(401);
    }
    auth.sign_in(EMAIL, "wrong password").await.is(429);
    other.sign_in(EMAIL, "wrong password").await.is(429);
}

#[tokio::test]
async fn the_wait_is_over_after_a_quarter_of_an_hour() {
    let auth = Running::start().await;
    auth.sign_up(EMAIL).await.is(201);
    for _ in 0..10 {
        auth.sign_in(EMAIL, "wrong password").await.is(401);
    }
    auth.sign_in(EMAIL, PASSWORD).await.is(429);
    auth.sql(
        "UPDATE sign_in_attempts SET attempted_at = \
         ARRAY(SELECT t - interval '15 minutes' FROM unnest(attempted_at) AS t ORDER BY t)",
    )
    .await;
    auth.sign_in(EMAIL, PASSWORD).await.is(200);
}

#[tokio::test]
async fn a_success_forgets_the_failures_of_the_account() {
    let auth = Running::start().await;
    auth.sign_up(EMAIL).await.is(201);
    for _ in 0..2 {
        for _ in 0..9 {
            auth.sign_in(EMAIL, "wrong password").await.is(401);
        }
        auth.sign_in(EMAIL, PASSWORD).await.is(200);
    }
    let counted = "SELECT max(cardinality(attempted_at))::bigint FROM sign_in_attempts";
    assert_eq!(auth.count(counted).await, 18, "the address remembers");
}

#[tokio::test]
async fn attempts_at_the_same_time_are_no_way_around_the_limit() {
    let auth = Running::start().await;
    auth.sign_up(EMAIL).await.is(201);
    let answers = join_all((0..50).map(|_| auth.sign_in(EMAIL, "wrong password"))).await;
    let tried = answers.iter().filter(|answer| answer.status == 401).count();
    let limited = answers.iter().filter(|answer| answer.status == 429).count();
    // Those whose password is being checked when the tenth fails go on to their end.
    let at_once = std::thread::available_parallelism().unwrap().get().min(8);
    assert!((10..10 + at_once).contains(&tried), "{tried}");
    assert_eq!(tried + limited, 50);
}

#[tokio::test]
async fn the_right_password_is_right_also_many_times_at_once() {
    let auth = Running::start().await;
    auth.sign_up(EMAIL).await.is(201);
    for answer in join_all((0..20).map(|_| auth.sign_in(EMAIL, PASSWORD))).await {
        answer.is(200);
    }
}

#[tokio::test]
async fn nobody_is_locked_out_from_another_address() {
    let auth = Running::with(behind_a_proxy()).await;
    auth.sign_up(EMAIL).await.is(201);
    for _ in 0..10 {
        auth.sign_in_from("192.0.2.1", EMAIL, "wrong password").await.is(401);
    }
    auth.sign_in_from("192.0.2.1", EMAIL, PASSWORD).await.is(429);
    auth.sign_in_from("192.0.2.2", EMAIL, PASSWORD).await.is(200);
    // Nor does the owner's success help whoever guesses.
    auth.sign_in_from("192.0.2.1", EMAIL, PASSWORD).await.is(429);
}

#[tokio::test]
async fn a_failure_counts_also_when_the_caller_has_gone_away() {
    let running = Running::start().await;
    let auth = auth(&running, Passwords::new().unwrap());
    let (email, address) = (EMAIL.parse().unwrap(), [127, 0, 0, 1].into());
    let attempt = auth.sign_in(&email, PASSWORD.parse().unwrap(), address);
    assert!(tokio::time::timeout(Duration::from_millis(1), attempt).await.is_err());
    eventually(PATIENCE, async || {
        let counted = running.count("SELECT count(*) FROM sign_in_attempts").await;
        (counted > 0).then_some(())
    })
    .await;
}

#[tokio::test]
async fn who_is_turned_away_because_too_many_wait_has_not_tried() {
    let running = Running::start().await;
    let passwords = Passwords::new().unwrap();
    let places: Vec<_> = std::iter::from_fn(|| passwords.enter().ok()).collect();
    let auth = auth(&running, passwords);
    let (email, address) = (EMAIL.parse().unwrap(), [127, 0, 0, 1].into());
    let turned_away = auth.sign_in(&email, PASSWORD.parse().unwrap(), address).await;
    assert!(matches!(turned_away, Err(AuthError::Busy(_))));
    assert_eq!(running.count("SELECT count(*) FROM sign_in_attempts").await, 0);

    drop(places);
    let tried = auth.sign_in(&email, PASSWORD.parse().unwrap(), address).await;
    assert!(matches!(tried, Err(AuthError::WrongCredentials)));
    assert_eq!(running.count("SELECT count(*) FROM sign_in_attempts").await, 3);
}

#[tokio::test]
async fn an_address_that_tries_many_accounts_waits_and_so_does_an_account_tried_from_many() {
    let auth = Running::with(behind_a_proxy()).await;
    let from = async |address: &str, email: &str| -> Answer {
        auth.sign_in_from(address, email, "wrong password").await
    };
    from("192.0.2.1", EMAIL).await.is(401);
    let many = "UPDATE sign_in_attempts SET attempted_at = array_fill(now(), ARRAY[100])";
    assert_eq!(auth.sql(many).await, 3);
    from("192.0.2.1", NOBODY).await.problem(429, "too-many-attempts", None);
    from("192.0.2.2", EMAIL).await.problem(429, "too-many-attempts", None);
    from("192.0.2.2", NOBODY).await.is(401);
}

#[tokio::test]
async fn the_attempts_name_nobody() {
    let auth = Running::start().await;
    auth.sign_in(EMAIL, "wrong password").await.is(401);
    let rows: Vec<String> = sqlx::query_scalar("SELECT a::text FROM sign_in_attempts a")
        .fetch_all(&auth.service.pool)
        .await
        .unwrap();
    assert_eq!(rows.len(), 3);
    for row in rows {
        assert!(!row.contains("asha") && !row.contains("127.0.0.1"), "{row}");
    }
}
