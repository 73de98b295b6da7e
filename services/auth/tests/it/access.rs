//! Who may do what.

use contracts::ids::CustomerId;
use service_kit::testing::{Access, TestCaller};

use crate::running::{Answer, Running};

fn caller(signed_in: &Answer) -> TestCaller {
    let id = signed_in.body["user"]["id"].as_str().unwrap();
    let customer: CustomerId = id.parse().unwrap();
    TestCaller { customer, token: signed_in.access() }
}

#[tokio::test]
async fn everybody_may_sign_in_and_sees_themselves_alone() {
    let auth = Running::start().await;
    let owner = auth.sign_up("asha@example.org").await.is(201);
    let stranger = auth.sign_up("ravi@example.org").await.is(201);
    let access = Access {
        service: &auth.service,
        public: &[
            "GET /.well-known/jwks.json",
            "POST /api/users/refresh",
            "POST /api/users/signin",
            "POST /api/users/signout",
            "POST /api/users/signup",
        ],
        owner: &caller(&owner),
        stranger: &caller(&stranger),
        owned: &[("email", "asha@example.org")],
        bodies: &[],
    };
    access.try_everything().await.unwrap();
}

#[tokio::test]
async fn a_session_ends_for_who_has_its_refresh_token_whoever_is_signed_in() {
    let auth = Running::start().await;
    let asha = auth.sign_up("asha@example.org").await.is(201);
    let ravi = auth.sign_up("ravi@example.org").await.is(201);
    let sign_out = async |cookie: String| {
        let cookie = format!("access_token={}; {cookie}", asha.access());
        auth.post_with_cookie("signout", &cookie).await.is(204);
    };
    // Her access token alone ends neither session, and with his refresh token his alone.
    sign_out(String::new()).await;
    auth.refresh(&asha.refresh()).await.is(200);
    sign_out(format!("refresh_token={}", ravi.refresh())).await;
    auth.refresh(&ravi.refresh()).await.is(401);
}

#[tokio::test]
async fn what_may_be_asked_for_is_documented() {
    let auth = Running::start().await;
    auth.service.is_documented().await.unwrap();
}
