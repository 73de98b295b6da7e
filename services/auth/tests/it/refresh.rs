//! Sessions: going on with them, and ending them.

use futures_util::future::join_all;

use crate::running::{PASSWORD, Running};

const EMAIL: &str = "asha@example.org";

#[tokio::test]
async fn a_refresh_token_brings_new_tokens() {
    let auth = Running::start().await;
    let first = auth.sign_up(EMAIL).await.is(201);
    let second = auth.refresh(&first.refresh()).await.is(200);
    assert_ne!(second.refresh(), first.refresh());
    assert_eq!(second.body["user"], first.body["user"]);
    assert_eq!(second.cookies().len(), 2);
    assert_eq!(second.headers["cache-control"], "no-store");
    auth.me(&second.access()).await.is(200);
    auth.refresh(&second.refresh()).await.is(200);
}

#[tokio::test]
async fn the_cookie_does_as_well() {
    let auth = Running::start().await;
    let first = auth.sign_up(EMAIL).await.is(201);
    let cookie = format!("access_token=x; refresh_token={}", first.refresh());
    let second = auth.post_with_cookie("refresh", &cookie).await.is(200);
    assert!(second.cookies()[1].starts_with(&format!("refresh_token={};", second.refresh())));
    auth.post_with_cookie("refresh", "access_token=x").await.problem(401, "unauthenticated", None);
}

#[tokio::test]
async fn a_token_that_is_used_again_ends_its_session_and_no_other() {
    let auth = Running::start().await;
    let first = auth.sign_up(EMAIL).await.is(201);
    let other = auth.sign_in(EMAIL, PASSWORD).await.is(200);
    let second = auth.refresh(&first.refresh()).await.is(200);
    let third = auth.refresh(&second.refresh()).await.is(200);

    auth.refresh(&first.refresh()).await.problem(401, "unauthenticated", None);
    for ended in [&first, &second, &third] {
        auth.refresh(&ended.refresh()).await.problem(401, "unauthenticated", None);
    }
    let because = "SELECT count(*) FROM sessions WHERE revoked_because = 'REUSE'";
    assert_eq!(auth.count(because).await, 1);
    auth.refresh(&other.refresh()).await.is(200);
    auth.me(&third.access()).await.is(200);
}

#[tokio::test]
async fn of_those_who_use_a_token_at_once_one_wins_and_then_nobody() {
    let auth = Running::start().await;
    for round in 0..5 {
        let first = auth.sign_up(&format!("customer{round}@example.org")).await.is(201);
        let token = first.refresh();
        let answers = join_all((0..6).map(|_| auth.refresh(&token))).await;
        let (won, lost): (Vec<_>, Vec<_>) =
            answers.into_iter().partition(|answer| answer.status == 200);
        assert_eq!(won.len(), 1, "round {round}");
        for answer in lost {
            answer.problem(401, "unauthenticated", None);
        }
        auth.refresh(&won[0].refresh()).await.is(401);
    }
}

#[tokio::test]
async fn made_up_and_expired_tokens_are_refused() {
    let auth = Running::start().await;
    let first = auth.sign_up(EMAIL).await.is(201);
    for token in ["", "made up", &"0".repeat(64), &first.access(), &first.refresh()[1..]] {
        auth.refresh(token).await.problem(401, "unauthenticated", None);
    }
    auth.sql("UPDATE sessions SET expires_at = now() + interval '1 minute'").await;
    let second = auth.refresh(&first.refresh()).await.is(200);
    let lasts = "SELECT count(*) FROM sessions WHERE expires_at > now() + interval '29 days'";
    assert_eq!(auth.count(lasts).await, 1, "each refresh makes it last");

    auth.sql("UPDATE sessions SET expires_at = now()").await;
    auth.refresh(&second.refresh()).await.problem(401, "unauthenticated", None);
    auth.refresh(&first.refresh()).await.is(401);
    let revoked = "SELECT count(*) FROM sessions WHERE revoked_at IS NOT NULL";
    assert_eq!(auth.count(revoked).await, 0, "it has ended by itself");
}

#[tokio::test]
async fn signing_out_ends_the_session_and_takes_the_cookies_back() {
    let auth = Running::start().await;
    let first = auth.sign_up(EMAIL).await.is(201);
    let second = auth.refresh(&first.refresh()).await.is(200);
    let out = auth.sign_out(&second.refresh()).await.is(204);
    let flags = "Max-Age=0; HttpOnly; SameSite=Strict; Secure";
    let expected = [
        format!("access_token=; Path=/; {flags}"),
        format!("refresh_token=; Path=/api/users; {flags}"),
    ];
    assert_eq!(out.cookies(), expected);
    auth.refresh(&second.refresh()).await.problem(401, "unauthenticated", None);
    let because = "SELECT count(*) FROM sessions WHERE revoked_because = 'SIGN_OUT'";
    assert_eq!(auth.count(because).await, 1);

    for again in [second.refresh(), "made up".to_owned()] {
        assert_eq!(auth.sign_out(&again).await.is(204).cookies(), expected);
    }
    assert_eq!(auth.post_with_cookie("signout", "a=b").await.is(204).cookies(), expected);
    assert_eq!(auth.count(because).await, 1);
}

#[tokio::test]
async fn signing_out_works_with_the_cookie_and_with_a_spent_token() {
    let auth = Running::start().await;
    let first = auth.sign_up(EMAIL).await.is(201);
    let cookie = format!("refresh_token={}", first.refresh());
    auth.post_with_cookie("signout", &cookie).await.is(204);
    auth.refresh(&first.refresh()).await.is(401);

    let first = auth.sign_in(EMAIL, PASSWORD).await.is(200);
    let second = auth.refresh(&first.refresh()).await.is(200);
    auth.sign_out(&first.refresh()).await.is(204);
    auth.refresh(&second.refresh()).await.is(401);
}
