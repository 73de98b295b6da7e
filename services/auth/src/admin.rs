//! The first admin, whom somebody with access to the machine makes.

use contracts::events::{Email, Role};
use messaging::Outbox;

use crate::auth::{new_id, register};
use crate::credentials::NewPassword;
use crate::passwords::Passwords;
use crate::store::sessions::{self, Revocation};
use crate::store::users;
use crate::user::User;

/// Sees to it that the user with this e-mail address is an admin. One who is already stays as they
/// are, password and all.
///
/// A customer who becomes admin gets the password and loses their sessions: whoever signed up with
/// the address before it was the admin's must not come along.
pub async fn ensure_admin(
    outbox: &Outbox,
    passwords: &Passwords,
    email: &Email,
    password: NewPassword,
) -> anyhow::Result<()> {
    let mut connection = outbox.pool().acquire().await?;
    let found = users::find_by_email(&mut connection, email).await?;
    drop(connection);
    if let Some((user, _)) = found.filter(|(user, _)| user.role == Role::Admin) {
        tracing::info!(user = %user.id, "the admin is there");
        return Ok(());
    }

    let hash = passwords.enter()?.hash(password).await?;
    let trace = messaging::new_trace();
    let mut tx = outbox.begin().await?;
    let now = tx.now();
    let user = User { id: new_id(), email: email.clone(), role: Role::Admin };
    if register(&mut tx, &user, &hash, &trace).await? {
        tx.commit().await?;
        tracing::info!(user = %user.id, "added the admin");
    } else if let Some(id) = users::promote(tx.conn(), email, &hash).await? {
        sessions::revoke_all(tx.conn(), id, Revocation::Promotion, now).await?;
        tx.commit().await?;
        tracing::info!(user = %id, "made a customer admin, with another password");
    } else {
        tracing::info!("another replica has made the admin");
    }
    Ok(())
}
