//! Roles and schemas of the services, from the one SQL source that every environment uses.

use anyhow::{Context, Result};
use sqlx::PgConnection;

/// The services in the order of their ports; each has a schema and a role of its name.
pub const SERVICES: [&str; 7] =
    ["auth", "products", "orders", "payments", "inventory", "notification", "expiration"];

const SERVICE_ROLE: &str = include_str!("../../../../deploy/postgres/service-role.sql");

/// Makes a login role and the schema it owns in the connection's database; the connection is a
/// superuser's. Changes nothing but the password where they are there.
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

/// The URL of a database on a local server. The parts hold nothing that needs escaping.
pub fn database_url(role: &str, password: &str, port: u16, database: &str) -> String {
    format!("postgres://{role}:{password}@127.0.0.1:{port}/{database}")
}
