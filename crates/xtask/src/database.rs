//! The database of a stack: one for all services, a role and a schema each.

use std::collections::BTreeMap;
use std::path::Path;
use std::str::FromStr;

use anyhow::{Context, Result};
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, Connection};
use test_support::stack::{SERVICES, create_service_role, random_password, write_secret};

const DATABASE: &str = "boutique";

/// Makes database, roles and schemas where they are missing. Returns each service's URL; their
/// random passwords are kept in `passwords`, which only its owner may read.
pub(crate) async fn prepare(
    superuser_url: &str,
    passwords: &Path,
) -> Result<BTreeMap<&'static str, String>> {
    let superuser = PgConnectOptions::from_str(superuser_url).context("DATABASE_URL is no URL")?;
    let mut connection = superuser.connect().await.context("Postgres does not answer")?;
    let there: bool =
        sqlx::query_scalar("SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)")
            .bind(DATABASE)
            .fetch_one(&mut connection)
            .await?;
    if !there {
        sqlx::raw_sql("CREATE DATABASE boutique").execute(&mut connection).await?;
    }
    connection.close().await?;

    let superuser = superuser.database(DATABASE);
    let passwords = read_or_make(passwords)?;
    let mut connection = superuser.connect().await?;
    let mut urls = BTreeMap::new();
    for service in SERVICES {
        let password = passwords.get(service).context("a password is missing")?;
        create_service_role(&mut connection, service, service, password).await?;
        let url = superuser.clone().username(service).password(password).to_url_lossy();
        urls.insert(service, url.into());
    }
    connection.close().await?;
    Ok(urls)
}

fn read_or_make(path: &Path) -> Result<BTreeMap<String, String>> {
    if let Ok(text) = std::fs::read_to_string(path) {
        return serde_json::from_str(&text)
            .with_context(|| format!("{} is broken", path.display()));
    }
    let passwords = SERVICES
        .into_iter()
        .map(|service| Ok((service.to_owned(), random_password()?)))
        .collect::<Result<BTreeMap<_, _>>>()?;
    write_secret(path, &serde_json::to_string_pretty(&passwords)?)?;
    Ok(passwords)
}
