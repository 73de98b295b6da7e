//! What has expired is deleted, and nothing else.

use auth::prune::prune;

use crate::running::Running;

#[tokio::test]
async fn what_has_expired_goes_in_pieces() {
    let auth = Running::start().await;
    let kept = auth.sign_up("asha@example.org").await.is(201);
    auth.sign_in("ravi@example.org", "wrong password").await.is(401);
    let made = auth
        .sql(
            "WITH ended AS (
                 INSERT INTO sessions (id, user_id, started_at, live_token, expires_at)
                 SELECT gen_random_uuid(), (SELECT id FROM users), now() - interval '40 days',
                        sha256(n::text::bytea), now() - interval '1 second'
                 FROM generate_series(1, 2500) AS n
                 RETURNING id, live_token, expires_at),
             attempts AS (
                 INSERT INTO sign_in_attempts (key, attempted_at, last_attempt_at)
                 SELECT live_token, '{}', now() - interval '16 minutes' FROM ended),
             keys AS (
                 INSERT INTO signing_key_pairs
                 SELECT 'expired', private_key, public_key, not_before, now() - interval '1 second'
                 FROM signing_key_pairs)
             INSERT INTO refresh_tokens (token_hash, session_id, expires_at)
             SELECT live_token, id, expires_at FROM ended",
        )
        .await;
    assert_eq!(made, 2500);

    prune(&auth.service.pool).await.unwrap();
    assert_eq!(auth.count("SELECT count(*) FROM refresh_tokens").await, 1);
    assert_eq!(auth.count("SELECT count(*) FROM sessions").await, 1);
    assert_eq!(auth.count("SELECT count(*) FROM sign_in_attempts").await, 4);
    assert_eq!(auth.count("SELECT count(*) FROM signing_key_pairs").await, 1);
    auth.refresh(&kept.refresh()).await.is(200);
}

#[tokio::test]
async fn a_session_goes_on_without_its_oldest_tokens() {
    let auth = Running::start().await;
    let first = auth.sign_up("asha@example.org").await.is(201);
    let second = auth.refresh(&first.refresh()).await.is(200);
    auth.sql(
        "UPDATE refresh_tokens SET expires_at = now() - interval '1 second' \
         WHERE token_hash NOT IN (SELECT live_token FROM sessions)",
    )
    .await;
    prune(&auth.service.pool).await.unwrap();
    auth.refresh(&first.refresh()).await.is(401);
    auth.refresh(&second.refresh()).await.is(200);
}
