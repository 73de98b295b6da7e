//! The database of a stack: one for all services, a role and a schema each.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result};
use sqlx::{Connection, PgConnection};
use test_support::stack::{
    SERVICES, create_service_role, in_database, random_password, url_with, write_secret,
};

const DATABASE: &str = "boutique";

/// Makes database, roles and schemas where they are missing. Returns each service's URL; their
/// random passwords are kept in `passwords`, which only its owner may read.
pub(crate) async fn prepare(
    superuser_url: &str,
    passwords: &Path,
) -> Result<BTreeMap<&'static str, String>> {
    let mut connection =
        PgConnection::connect(superuser_url).await.context("Postgres does not answer")?;
    let there: bool =
        sqlx::query_scalar("SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)")
            .bind(DATABASE)
            .fetch_one(&mut connection)
            .await?;
    if !there {
        sqlx::raw_sql("CREATE DATABASE boutique").execute(&mut connection).await?;
    }
    connection.close().await?;

    let passwords = read_or_make(passwords)?;
    let mut connection = PgConnection::connect(&in_database(superuser_url, DATABASE)).await?;
    let mut urls = BTreeMap::new();
    for service in SERVICES {
        let password = passwords.get(service).context("a password is missing")?;
        create_service_role(&mut connection, service, service, password).await?;
        urls.insert(service, url_with(superuser_url, service, password, DATABASE)?);
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
