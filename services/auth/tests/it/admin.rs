//! The first admin.

use auth::admin::ensure_admin;
use auth::passwords::Passwords;
use auth::{Config, SERVICE};
use contracts::events::{Event, Role};
use contracts::topic::Topic;
use futures_util::future::join_all;
use messaging::Outbox;

use crate::running::{PASSWORD, Running, config, environment, start};

const EMAIL: &str = "boss@example.org";
const ADMIN_PASSWORD: &str = "staple horse battery";

impl Running {
    async fn ensure_admin(&self, password: &str) {
        let outbox = Outbox::new(self.service.pool.clone(), SERVICE.name);
        let passwords = Passwords::new().unwrap();
        let (email, password) = (EMAIL.parse().unwrap(), password.parse().unwrap());
        ensure_admin(&outbox, &passwords, &email, password).await.unwrap();
    }
}

fn with_admin() -> Config {
    Config {
        admin_email: Some(" Boss@example.org".to_owned()),
        admin_password: Some(ADMIN_PASSWORD.to_owned()),
        ..config()
    }
}

#[tokio::test]
async fn replicas_that_start_together_make_one_admin() {
    let auth = Running::start().await;
    for started in join_all((0..4).map(|_| start(&auth.env, with_admin()))).await {
        started.unwrap();
    }
    let admin = auth.sign_in(EMAIL, ADMIN_PASSWORD).await.is(200);
    assert_eq!(admin.body["user"]["role"], "admin");
    assert_eq!(auth.me(&admin.access()).await.is(200).body["role"], "admin");
    assert_eq!(auth.count("SELECT count(*) FROM users").await, 1);

    auth.sign_up("asha@example.org").await.is(201);
    let registered = |event: &Event| match event {
        Event::UserRegistered(user) => Some((user.email.as_str().to_owned(), user.role)),
        _ => None,
    };
    let events =
        auth.env.events(Topic::Users, |events| events.iter().filter_map(registered).count() == 2);
    let mut users: Vec<_> = events.await.iter().filter_map(registered).collect();
    users.sort();
    let expected = [("asha@example.org", Role::Customer), (EMAIL, Role::Admin)];
    assert_eq!(users, expected.map(|(email, role)| (email.to_owned(), role)));
}

#[tokio::test]
async fn an_admin_who_is_there_stays_as_they_are() {
    let auth = Running::start().await;
    auth.ensure_admin(ADMIN_PASSWORD).await;
    let session = auth.sign_in(EMAIL, ADMIN_PASSWORD).await.is(200);
    auth.ensure_admin("another password").await;
    auth.sign_in(EMAIL, "another password").await.is(401);
    auth.sign_in(EMAIL, ADMIN_PASSWORD).await.is(200);
    auth.refresh(&session.refresh()).await.is(200);
}

#[tokio::test]
async fn who_had_the_address_before_the_admin_does_not_become_admin_with_it() {
    let auth = Running::start().await;
    let squatter = auth.sign_up(EMAIL).await.is(201);
    auth.ensure_admin(ADMIN_PASSWORD).await;
    auth.sign_in(EMAIL, PASSWORD).await.is(401);
    auth.refresh(&squatter.refresh()).await.is(401);
    let admin = auth.sign_in(EMAIL, ADMIN_PASSWORD).await.is(200);
    assert_eq!(admin.body["user"]["role"], "admin");
    assert_eq!(admin.body["user"]["id"], squatter.body["user"]["id"]);
}

#[tokio::test]
async fn half_an_admin_in_the_configuration_is_named() {
    let env = environment().await;
    let error =
        |config: Config| async { format!("{:#}", start(&env, config).await.err().unwrap()) };
    let email_alone = Config { admin_password: None, ..with_admin() };
    assert_eq!(error(email_alone).await, "ADMIN_EMAIL is set and ADMIN_PASSWORD is not");
    let password_alone = Config { admin_email: None, ..with_admin() };
    assert_eq!(error(password_alone).await, "ADMIN_PASSWORD is set and ADMIN_EMAIL is not");
    let short = Config { admin_password: Some("short".to_owned()), ..with_admin() };
    assert_eq!(error(short).await, "ADMIN_PASSWORD is not valid: must have 8 to 128 characters");
    let nonsense = Config { admin_email: Some("boss".to_owned()), ..with_admin() };
    let message = error(nonsense).await;
    assert!(message.starts_with("ADMIN_EMAIL is not valid: "), "{message}");
}
