//! What users can do. Each in as few transactions as can be, and none open while a password is
//! hashed.

use std::net::IpAddr;

use anyhow::Context;
use chrono::{DateTime, TimeDelta, Utc};
use contracts::events::{Email, Role, UserRegistered};
use contracts::ids::CustomerId;
use contracts::trace::TraceContext;
use messaging::{Outbox, Tx};
use tracing::Instrument;
use uuid::Uuid;

use crate::attempts::{Counter, SignIn, check_all};
use crate::credentials::{NewPassword, Password};
use crate::error::AuthError;
use crate::keys;
use crate::passwords::{Passwords, Place};
use crate::session::{Presented, RefreshToken, Session};
use crate::signing_key::KeyPolicy;
use crate::store::sessions::{self, Revocation};
use crate::store::{attempts, signing_keys, users};
use crate::user::User;

/// Users and their sessions. Cheap to clone.
#[derive(Clone)]
pub struct Auth {
    /// Where transactions begin.
    pub outbox: Outbox,
    /// The queue of passwords to be hashed.
    pub passwords: Passwords,
    /// What access tokens are signed with.
    pub keys: KeyPolicy,
    /// How long a refresh token is valid.
    pub refresh_lifetime: TimeDelta,
    /// How often somebody may sign up from one address in a quarter of an hour.
    pub sign_ups_per_address: usize,
}

/// Somebody has signed in, or goes on being signed in.
pub struct SignedIn {
    /// Who.
    pub user: User,
    /// Their access token.
    pub access: String,
    /// What gets them the next one, once.
    pub refresh: RefreshToken,
}

impl Auth {
    /// Adds a customer and signs them in.
    pub async fn sign_up(
        &self,
        email: Email,
        password: NewPassword,
        address: IpAddr,
        trace: &TraceContext,
    ) -> Result<SignedIn, AuthError> {
        let place = self.passwords.enter()?;
        self.count_sign_up(address).await?;
        let hash = place.hash(password).await?;
        let user = User { id: new_id(), email, role: Role::Customer };
        let mut tx = self.outbox.begin().await?;
        if !register(&mut tx, &user, &hash, trace).await? {
            return Err(AuthError::EmailTaken);
        }
        let signed_in = self.start_session(&mut tx, user).await?;
        tx.commit().await?;
        tracing::info!(user = %signed_in.user.id, "signed up");
        Ok(signed_in)
    }

    /// Signs somebody in. The work and the answer are the same whether nobody has the e-mail
    /// address or the password is wrong.
    pub async fn sign_in(
        &self,
        email: &Email,
        password: Password,
        address: IpAddr,
    ) -> Result<SignedIn, AuthError> {
        // The place comes first: who is turned away has not tried.
        let place = self.passwords.enter()?;
        let counters = SignIn::new(email, address);
        let here = counters.here;
        // A task of its own: a failure counts also when the caller has gone away.
        let check = self.clone().check(email.clone(), password, place, counters);
        let checked = tokio::spawn(check.in_current_span()).await;
        let (user, hash) = checked.context("checking a password panicked")??;

        let mut tx = self.outbox.begin().await?;
        // Another password may have been set while this one was checked.
        let role = users::confirm(tx.conn(), user.id, &hash).await?;
        let role = role.ok_or(AuthError::WrongCredentials)?;
        attempts::clear(tx.conn(), &here).await?;
        let signed_in = self.start_session(&mut tx, User { role, ..user }).await?;
        tx.commit().await?;
        Ok(signed_in)
    }

    /// Who has this e-mail address and this password, unless too many were wrong before.
    ///
    /// All of it in one turn: a failure is counted before the next password is looked at, so that
    /// many at once get past the limit by no more than there are turns.
    async fn check(
        self,
        email: Email,
        password: Password,
        place: Place,
        counters: SignIn,
    ) -> Result<(User, String), AuthError> {
        let turn = place.turn().await?;
        let counters = counters.counters();
        let mut tx = self.outbox.begin().await?;
        let times = attempts::read(tx.conn(), &counters).await?;
        check_all(counters.iter().zip(&times), tx.now())?;
        let found = users::find_by_email(tx.conn(), &email).await?;
        tx.commit().await?;

        let stored = found.as_ref().map(|(_, hash)| hash.clone());
        let (right, _turn) = turn.verify(password, stored).await?;
        if let Some(found) = found.filter(|_| right) {
            return Ok(found);
        }
        let mut tx = self.outbox.begin().await?;
        let now = tx.now();
        let times = attempts::lock(tx.conn(), &counters, now).await?;
        for (counter, times) in counters.iter().zip(times) {
            attempts::write(tx.conn(), counter, &counter.add(times, now)).await?;
        }
        tx.commit().await?;
        Err(AuthError::WrongCredentials)
    }

    /// Exchanges a refresh token for new tokens. One that was exchanged before ends its session.
    pub async fn refresh(&self, token: &RefreshToken) -> Result<SignedIn, AuthError> {
        let mut tx = self.outbox.begin().await?;
        let (now, hash) = (tx.now(), token.hash());
        let found = sessions::lock_by_token(tx.conn(), hash).await?;
        let found = found.ok_or(AuthError::RefreshRefused)?;
        match found.session.present(hash, now) {
            Presented::Ended => Err(AuthError::RefreshRefused),
            Presented::Reused => {
                sessions::revoke(tx.conn(), found.id, Revocation::Reuse, now).await?;
                tx.commit().await?;
                let (session, user) = (found.id, found.user.id);
                tracing::warn!(%session, %user, "a refresh token was used twice; session revoked");
                Err(AuthError::RefreshRefused)
            }
            Presented::Rotate => {
                let refresh = RefreshToken::from_random(rand::random());
                let next = self.session(&refresh, now);
                sessions::rotate(tx.conn(), found.id, &next).await?;
                let access = keys::sign(tx.conn(), self.keys, &found.user, now).await?;
                tx.commit().await?;
                Ok(SignedIn { user: found.user, access, refresh })
            }
        }
    }

    /// Ends the session of a refresh token, live or spent. Whatever else it is, nothing happens.
    pub async fn sign_out(&self, token: &RefreshToken) -> Result<(), AuthError> {
        let mut tx = self.outbox.begin().await?;
        let now = tx.now();
        if let Some(found) = sessions::lock_by_token(tx.conn(), token.hash()).await?
            && !found.session.revoked
        {
            sessions::revoke(tx.conn(), found.id, Revocation::SignOut, now).await?;
        }
        tx.commit().await?;
        Ok(())
    }

    /// Who has an id.
    pub async fn user(&self, id: CustomerId) -> Result<User, AuthError> {
        let mut connection = self.outbox.pool().acquire().await?;
        users::find(&mut connection, id).await?.ok_or(AuthError::NoSuchUser)
    }

    /// The ids and public halves of all keys that tokens may be signed with.
    pub async fn public_keys(&self) -> Result<Vec<(String, String)>, AuthError> {
        let mut connection = self.outbox.pool().acquire().await?;
        Ok(signing_keys::public_keys(&mut connection).await?)
    }

    /// Counts a sign-up before any work is done for it, whatever comes of it: one that is refused
    /// tells that an e-mail address is taken.
    async fn count_sign_up(&self, address: IpAddr) -> Result<(), AuthError> {
        let counter = Counter::sign_ups(address, self.sign_ups_per_address);
        let mut tx = self.outbox.begin().await?;
        let now = tx.now();
        for times in attempts::lock(tx.conn(), &[counter], now).await? {
            let checked = counter.check(&times, now);
            checked.map_err(|limited| AuthError::TooManySignUps(limited.wait))?;
            attempts::write(tx.conn(), &counter, &counter.add(times, now)).await?;
        }
        tx.commit().await?;
        Ok(())
    }

    async fn start_session(&self, tx: &mut Tx, user: User) -> Result<SignedIn, AuthError> {
        let now = tx.now();
        let refresh = RefreshToken::from_random(rand::random());
        let session = self.session(&refresh, now);
        sessions::insert(tx.conn(), Uuid::now_v7(), user.id, &session, now).await?;
        let access = keys::sign(tx.conn(), self.keys, &user, now).await?;
        Ok(SignedIn { user, access, refresh })
    }

    fn session(&self, live: &RefreshToken, now: DateTime<Utc>) -> Session {
        Session { live: live.hash(), expires_at: now + self.refresh_lifetime, revoked: false }
    }
}

/// Adds a user and tells about it; `false` when somebody has the e-mail address.
pub async fn register(
    tx: &mut Tx,
    user: &User,
    password_hash: &str,
    trace: &TraceContext,
) -> Result<bool, AuthError> {
    let now = tx.now();
    if !users::insert(tx.conn(), user, password_hash, now).await? {
        return Ok(false);
    }
    let registered = UserRegistered {
        user_id: user.id,
        email: user.email.clone(),
        role: user.role,
        registered_at: now,
        trace_id: trace.trace_id,
    };
    tx.publish(registered, trace)?;
    Ok(true)
}

/// The id of a new user.
pub fn new_id() -> CustomerId {
    CustomerId::from_uuid(Uuid::now_v7())
}
