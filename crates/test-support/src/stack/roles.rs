//! Roles and schemas of the services, from the one SQL source that every environment uses.

use anyhow::{Context, Result, ensure};
use sqlx::PgConnection;

/// The services in the order of their ports; each has a schema and a role of its name.
pub const SERVICES: [&str; 7] =
    ["auth", "products", "orders", "payments", "inventory", "notification", "expiration"];

const SERVICE_ROLE: &str = include_str!("../../../../deploy/postgres/service-role.sql");

/// Makes a login role and the schema it owns in the connection's database; the connection is a
/// superuser's. Where they are there it changes nothing but the password, and puts the limit of connections back.
pub async fn create_service_role(
    connection: &mut PgConnection,
    role: &str,
    schema: &str,
    password: &str,
) -> Result<()> {
    sqlx::raw_sql(SERVICE_ROLE).execute(&mut *connection).await?;
    sqlx::query("SELECT pg_temp.create_service_role($1, $2, $3)")
        .bind(role)
        .bind(schema)
        .bind(password)
        .execute(connection)
        .await
        .with_context(|| format!("cannot make the role {role} with its schema {schema}"))?;
    Ok(())
}

/// The URL of a server with another role, password and database in it; the parameters after a
/// `?` stay. Role, password and database hold nothing that needs escaping.
pub fn url_with(url: &str, role: &str, password: &str, database: &str) -> Result<String> {
    let (scheme, rest) = url.split_once("://").context("a database URL without a scheme")?;
    let (rest, parameters) = match rest.split_once('?') {
        Some((rest, parameters)) => (rest, format!("?{parameters}")),
        None => (rest, String::new()),
    };
    let server = rest.split('/').next().unwrap_or_default();
    let host = server.rsplit_once('@').map_or(server, |(_, host)| host);
    ensure!(!host.is_empty(), "a database URL without a host");
    Ok(format!("{scheme}://{role}:{password}@{host}/{database}{parameters}"))
}

/// The URL of another database on the same server, for the same role.
pub fn in_database(url: &str, database: &str) -> String {
    let (server, parameters) = match url.split_once('?') {
        Some((server, parameters)) => (server, format!("?{parameters}")),
        None => (url, String::new()),
    };
    let (scheme, server) = server.split_once("://").unwrap_or(("postgres", server));
    let server = server.split('/').next().unwrap_or_default();
    format!("{scheme}://{server}/{database}{parameters}")
}

#[cfg(test)]
mod tests {
    use super::{in_database, url_with};

    #[test]
    fn role_and_database_of_a_url_are_replaced() {
        let changed = |url| url_with(url, "orders", "pw", "boutique").unwrap();
        assert_eq!(
            changed("postgres://postgres:secret@127.0.0.1:5432/postgres"),
            "postgres://orders:pw@127.0.0.1:5432/boutique"
        );
        assert_eq!(
            changed("postgresql://db.example?sslmode=require"),
            "postgresql://orders:pw@db.example/boutique?sslmode=require"
        );
    }

    #[test]
    fn the_database_of_a_url_is_replaced() {
        assert_eq!(in_database("postgres://p:s@h:1/postgres", "b"), "postgres://p:s@h:1/b");
        assert_eq!(in_database("postgres://p@h/postgres?a=b", "b"), "postgres://p@h/b?a=b");
        assert_eq!(in_database("postgres://p@h", "b"), "postgres://p@h/b");
    }

    #[test]
    fn a_url_without_a_host_is_refused() {
        assert!(url_with("boutique", "orders", "pw", "boutique").is_err());
        assert!(url_with("postgres:///boutique", "orders", "pw", "boutique").is_err());
    }
}
