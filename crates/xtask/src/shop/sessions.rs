//! Sessions of those who have signed in, kept as a browser does: who is refused because their token has expired
//! signs in again.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Result;
use reqwest::{Method, RequestBuilder, Response, StatusCode};
use serde::Deserialize;
use serde_json::json;
use tokio::time::Instant;

use super::{Account, Shop, answer};

/// By e-mail address.
#[derive(Debug, Default)]
pub(super) struct Sessions {
    current: Mutex<BTreeMap<String, Arc<tokio::sync::Mutex<Session>>>>,
    all: Mutex<Vec<Account>>,
}

#[derive(Debug)]
struct Session {
    password: String,
    account: Account,
    /// Not later than the token does.
    expires: Instant,
}

impl Shop {
    /// Signs somebody up or in.
    pub(super) async fn account(
        &self,
        path: &str,
        expected: StatusCode,
        email: &str,
        password: &str,
    ) -> Result<Account> {
        let session = self.begin(path, expected, email, password).await?;
        let account = session.account.clone();
        let mut sessions = self.sessions.current.lock().unwrap_or_else(PoisonError::into_inner);
        sessions.insert(email.to_owned(), Arc::new(tokio::sync::Mutex::new(session)));
        Ok(account)
    }

    /// Everybody's tokens since the shop was opened.
    pub fn accounts(&self) -> Vec<Account> {
        self.sessions.all.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Sends a request as somebody. If their token has expired they sign in again, and it is sent once more. The
    /// refusal of a token that should be good is the answer.
    pub(super) async fn send_as(
        &self,
        account: &Account,
        request: impl Fn() -> RequestBuilder,
    ) -> Result<Response> {
        let session = {
            let sessions = self.sessions.current.lock().unwrap_or_else(PoisonError::into_inner);
            sessions.get(&account.email).cloned()
        };
        let Some(session) = session else {
            return Ok(request().bearer_auth(&account.token).send().await?);
        };
        let token = session.lock().await.account.token.clone();
        let response = request().bearer_auth(&token).send().await?;
        if response.status() != StatusCode::UNAUTHORIZED {
            return Ok(response);
        }
        let mut session = session.lock().await;
        if session.account.token == token {
            if Instant::now() < session.expires {
                return Ok(response);
            }
            let password = &session.password;
            *session =
                self.begin("/api/users/signin", StatusCode::OK, &account.email, password).await?;
        }
        let again = request().bearer_auth(&session.account.token);
        drop(session);
        Ok(again.send().await?)
    }

    async fn begin(
        &self,
        path: &str,
        expected: StatusCode,
        email: &str,
        password: &str,
    ) -> Result<Session> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct SignedIn {
            access_token: String,
            expires_in: u64,
            refresh_token: String,
        }
        // Asked for before the token was made, so that this does not end after it.
        let asked = Instant::now();
        let credentials = json!({"email": email, "password": password});
        let request = self.request("auth", Method::POST, path).json(&credentials);
        let signed_in: SignedIn = answer(request, expected).await?;
        let SignedIn { access_token: token, expires_in, refresh_token } = signed_in;
        let account = Account { email: email.to_owned(), token, refresh_token };
        let mut all = self.sessions.all.lock().unwrap_or_else(PoisonError::into_inner);
        all.push(account.clone());
        let expires = asked + Duration::from_secs(expires_in);
        Ok(Session { password: password.to_owned(), account, expires })
    }
}
