//! Each service's role reaches its own schema and nothing else, tried on a server of its own whose
//! database is made as that of every stack.
//!
//! What there is to reach is asked of Postgres, so that a new table is tried without anybody thinking
//! of it.

mod attempts;

use std::collections::BTreeMap;

use sqlx::{AssertSqlSafe, Connection, PgConnection};
use test_support::OwnPostgres;
use test_support::stack::{SERVICES, in_database};
use xtask::database::{DATABASE, Passwords, prepare};

use crate::migrations::migrate;
use attempts::{Table, on_functions, on_others, on_schema, on_server, on_table};

/// Not allowed.
const DENIED: &str = "42501";

/// A migrated database, and all roles' ways to it.
struct World {
    _server: OwnPostgres,
    superuser: PgConnection,
    urls: BTreeMap<&'static str, String>,
}

impl World {
    async fn new() -> Self {
        let server = OwnPostgres::start().await;
        let passwords = Passwords::read_or_make(&server.dir().join("passwords.json")).unwrap();
        let urls = prepare(&server.url(), &passwords).await.unwrap();
        for (service, url) in &urls {
            migrate(url, service).await;
        }
        let url = in_database(&server.url(), DATABASE);
        let superuser = PgConnection::connect(&url).await.unwrap();
        Self { _server: server, superuser, urls }
    }

    async fn connect(&self, role: &str) -> PgConnection {
        PgConnection::connect(&self.urls[role]).await.unwrap()
    }

    /// All tables and the like of the services, each with one of its columns.
    async fn tables(&mut self) -> Vec<Table> {
        let tables: Vec<Table> = sqlx::query_as(
            "SELECT n.nspname AS schema, c.relname AS name, c.relkind = 'S' AS is_sequence,
                 (SELECT a.attname FROM pg_attribute a
                  WHERE a.attrelid = c.oid AND a.attnum > 0 AND a.attgenerated = ''
                      AND a.attidentity = '' LIMIT 1) AS column
             FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
             WHERE n.nspname = ANY($1) AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')",
        )
        .bind(SERVICES)
        .fetch_all(&mut self.superuser)
        .await
        .unwrap();
        for service in SERVICES {
            let of = |name: &str| tables.iter().any(|table| table.is(service, name));
            assert!(of("outbox"), "the tables of {service} are not among {tables:?}");
        }
        tables
    }

    /// Calls of all functions of the services, each with its schema.
    async fn calls(&mut self) -> Vec<(String, String)> {
        let calls: Vec<(String, String)> = sqlx::query_as(
            "SELECT n.nspname, format('SELECT %I.%I(%s)', n.nspname, p.proname,
                 (SELECT string_agg(format('NULL::%s', t::regtype), ', ')
                  FROM unnest(p.proargtypes) AS t))
             FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace WHERE n.nspname = ANY($1)",
        )
        .bind(SERVICES)
        .fetch_all(&mut self.superuser)
        .await
        .unwrap();
        assert!(calls.iter().any(|(schema, _)| schema == "products"), "{calls:?}");
        calls
    }
}

/// The error code of a statement; `None` where it was carried out.
async fn refused(connection: &mut PgConnection, statement: &str) -> Option<String> {
    let error =
        sqlx::raw_sql(AssertSqlSafe(statement.to_owned())).execute(connection).await.err()?;
    let code = error.as_database_error().and_then(|error| error.code().map(String::from));
    Some(code.unwrap_or_else(|| error.to_string()))
}

/// Those of the statements that are not denied, each with what came of it.
async fn allowed(connection: &mut PgConnection, statements: Vec<String>) -> Vec<String> {
    let mut allowed = Vec::new();
    for statement in statements {
        match refused(connection, &statement).await.as_deref() {
            Some(DENIED) => {}
            outcome => allowed.push(format!("{statement}: {}", outcome.unwrap_or("done"))),
        }
    }
    allowed
}

#[tokio::test]
async fn each_service_reaches_its_own_schema_and_nothing_else() {
    let mut world = World::new().await;
    no_role_reaches_what_belongs_to_another_service(&mut world).await;
    no_role_was_granted_anything_there(&mut world).await;
    no_role_reaches_the_server_behind_its_schema(&mut world).await;
    no_role_gets_into_another_database(&mut world).await;
}

async fn no_role_reaches_what_belongs_to_another_service(world: &mut World) {
    let (tables, calls) = (world.tables().await, world.calls().await);
    for role in SERVICES {
        let mut connection = world.connect(role).await;
        let mut statements = Vec::new();
        for other in SERVICES.into_iter().filter(|other| *other != role) {
            statements.extend(on_schema(other));
            statements.extend(on_others(role, other));
            let of_other = tables.iter().filter(|table| table.is_of(other));
            statements.extend(of_other.flat_map(on_table));
            statements.extend(on_functions(&calls, other));
        }
        assert_eq!(allowed(&mut connection, statements).await, [""; 0], "{role}");
        let own =
            refused(&mut connection, "SELECT count(*) FROM outbox; SELECT * FROM inbox").await;
        assert_eq!(own, None, "{role} cannot even use what is its own");
    }
}

/// Where a schema is closed, Postgres does not even look at the grants behind it.
async fn no_role_was_granted_anything_there(world: &mut World) {
    let granted: Vec<(String, String)> = sqlx::query_as(
        "SELECT role, format('%s.%s', n.nspname, c.relname)
         FROM unnest($1::text[]) AS role, pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
         WHERE n.nspname = ANY($1) AND n.nspname <> role AND (
             has_schema_privilege(role, n.oid, 'USAGE, CREATE')
             OR CASE c.relkind
                 WHEN 'S' THEN has_sequence_privilege(role, c.oid, 'USAGE, SELECT, UPDATE')
                 WHEN 'i' THEN false
                 ELSE has_table_privilege(role, c.oid,
                          'SELECT, INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER, MAINTAIN')
                      OR has_any_column_privilege(role, c.oid, 'SELECT, INSERT, UPDATE, REFERENCES')
             END)",
    )
    .bind(SERVICES)
    .fetch_all(&mut world.superuser)
    .await
    .unwrap();
    assert_eq!(granted, []);
    let members: Vec<(String, String)> = sqlx::query_as(
        "SELECT role, r.rolname::text FROM unnest($1::text[]) AS role, pg_roles r
         WHERE r.rolname <> role AND pg_has_role(role, r.oid, 'MEMBER')",
    )
    .bind(SERVICES)
    .fetch_all(&mut world.superuser)
    .await
    .unwrap();
    assert_eq!(members, [], "nobody is a member of anything");
}

async fn no_role_reaches_the_server_behind_its_schema(world: &mut World) {
    let server: i32 = sqlx::query_scalar("SELECT pg_backend_pid()")
        .fetch_one(&mut world.superuser)
        .await
        .unwrap();
    for role in SERVICES {
        let mut connection = world.connect(role).await;
        let statements = on_server(role, server);
        assert_eq!(allowed(&mut connection, statements).await, [""; 0], "{role}");
        let seen: Vec<String> = sqlx::query_scalar(
            "SELECT coalesce(query, '') FROM pg_stat_activity
             WHERE usename <> current_user AND query <> '<insufficient privilege>'",
        )
        .fetch_all(&mut connection)
        .await
        .unwrap();
        assert_eq!(seen, [""; 0], "{role} reads what others ask");
    }
}

async fn no_role_gets_into_another_database(world: &mut World) {
    let databases: Vec<String> = sqlx::query_scalar(
        "SELECT datname FROM pg_database WHERE datallowconn AND datname <> current_database()",
    )
    .fetch_all(&mut world.superuser)
    .await
    .unwrap();
    assert!(databases.contains(&"postgres".to_owned()), "{databases:?}");
    for (role, url) in &world.urls {
        for database in &databases {
            let error = PgConnection::connect(&in_database(url, database)).await.unwrap_err();
            let code = error.as_database_error().and_then(|error| error.code().map(String::from));
            assert_eq!(code.as_deref(), Some(DENIED), "{role} in {database}: {error}");
        }
    }
}
