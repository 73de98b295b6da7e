//! The database of a stack: one for all services, a role and a schema each.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result};
use sqlx::{Connection, PgConnection};
use test_support::stack::{
    SERVICES, create_service_role, in_database, random_password, url_with, write_secret,
};

/// Its name.
pub const DATABASE: &str = "boutique";

/// Makes database, roles and schemas where they are missing. Returns each service's URL.
pub async fn prepare(
    superuser_url: &str,
    passwords: &Passwords,
) -> Result<BTreeMap<&'static str, String>> {
    let mut connection = PgConnection::connect(superuser_url)
        .await
        .context("Postgres (DATABASE_URL, where that is set) does not answer")?;
    let there: bool =
        sqlx::query_scalar("SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)")
            .bind(DATABASE)
            .fetch_one(&mut connection)
            .await?;
    if !there {
        sqlx::raw_sql("CREATE DATABASE boutique").execute(&mut connection).await?;
    }
    connection.close().await?;

    let mut connection = PgConnection::connect(&in_database(superuser_url, DATABASE)).await?;
    let mut urls = BTreeMap::new();
    for service in SERVICES {
        let password = passwords.of(service)?;
        create_service_role(&mut connection, service, service, password).await?;
        urls.insert(service, url_with(superuser_url, service, password, DATABASE)?);
    }
    connection.close().await?;
    Ok(urls)
}

/// The random passwords of a stack: of each service's role, and of the shop's admin.
#[derive(Debug)]
pub struct Passwords(BTreeMap<String, String>);

impl Passwords {
    /// Reads them from a file that only its owner may read; makes those that are missing.
    pub fn read_or_make(path: &Path) -> Result<Self> {
        let mut passwords: BTreeMap<String, String> = match std::fs::read_to_string(path) {
            Ok(text) => serde_json::from_str(&text)
                .with_context(|| format!("{} is broken", path.display()))?,
            Err(_) => BTreeMap::new(),
        };
        let known = passwords.len();
        for name in SERVICES.into_iter().chain([ADMIN]) {
            if !passwords.contains_key(name) {
                passwords.insert(name.to_owned(), random_password()?);
            }
        }
        if passwords.len() > known {
            write_secret(path, &serde_json::to_string_pretty(&passwords)?)?;
        }
        Ok(Self(passwords))
    }

    /// The password of a service's role, or of [`ADMIN`].
    pub(crate) fn of(&self, name: &str) -> Result<&str> {
        self.0.get(name).map(String::as_str).context("a password is missing")
    }
}

/// Whose password is not a service's.
pub(crate) const ADMIN: &str = "admin";
