//! What a role might try.

/// A table, or something that is read like one.
#[derive(Debug, sqlx::FromRow)]
pub struct Table {
    schema: String,
    name: String,
    is_sequence: bool,
    column: String,
}

impl Table {
    pub fn is_of(&self, schema: &str) -> bool {
        self.schema == schema
    }

    pub fn is(&self, schema: &str, name: &str) -> bool {
        self.is_of(schema) && self.name == name
    }
}

/// With a table of another service.
pub fn on_table(table: &Table) -> Vec<String> {
    let Table { schema, name, is_sequence, column } = table;
    let table = format!("{schema}.{name}");
    let mut statements = vec![format!("SELECT * FROM {table}"), format!("SELECT 1 FROM {table}")];
    if *is_sequence {
        statements.push(format!("SELECT nextval('{table}')"));
        statements.push(format!("SELECT setval('{table}', 1)"));
        statements.push(format!("ALTER SEQUENCE {table} RESTART"));
    } else {
        statements.extend([
            format!("INSERT INTO {table} DEFAULT VALUES"),
            format!("UPDATE {table} SET {column} = {column}"),
            format!("DELETE FROM {table}"),
            format!("MERGE INTO {table} USING (SELECT 1) ON true WHEN MATCHED THEN DELETE"),
            format!("TRUNCATE {table}"),
            format!("DO $$ BEGIN LOCK TABLE {table}; END $$"),
            format!("COPY {table} TO STDOUT"),
            format!("COPY {table} FROM STDIN"),
            format!("ALTER TABLE {table} ADD COLUMN intruder int"),
            format!("CREATE INDEX ON {table} ({column})"),
            format!("CREATE TABLE mine (LIKE {table})"),
            format!("CREATE VIEW mine AS SELECT * FROM {table}"),
            format!("GRANT SELECT ON {table} TO PUBLIC"),
            format!("DROP TABLE {table}"),
        ]);
    }
    statements
}

/// With the schema of another service.
pub fn on_schema(schema: &str) -> Vec<String> {
    vec![
        format!("CREATE TABLE {schema}.intruder ()"),
        format!("CREATE VIEW {schema}.intruder AS SELECT 1"),
        format!("CREATE FUNCTION {schema}.intruder() RETURNS int LANGUAGE sql RETURN 1"),
        format!("CREATE TYPE {schema}.intruder AS ENUM ()"),
        format!("ALTER SCHEMA {schema} RENAME TO intruded"),
        format!("GRANT USAGE ON SCHEMA {schema} TO PUBLIC"),
        format!("DROP SCHEMA {schema} CASCADE"),
    ]
}

/// As another service's role.
pub fn on_others(role: &str, other: &str) -> Vec<String> {
    vec![
        format!("SET ROLE {other}"),
        format!("SET SESSION AUTHORIZATION {other}"),
        format!("GRANT {other} TO {role}"),
        format!("ALTER ROLE {other} PASSWORD 'known'"),
        format!("ALTER ROLE {other} SET search_path = {role}"),
        format!("ALTER DEFAULT PRIVILEGES FOR ROLE {other} GRANT SELECT ON TABLES TO PUBLIC"),
        format!("REASSIGN OWNED BY {other} TO {role}"),
        format!("DROP OWNED BY {other}"),
        format!("DROP ROLE {other}"),
    ]
}

/// The calls of another service's functions.
pub fn on_functions(calls: &[(String, String)], other: &str) -> Vec<String> {
    calls.iter().filter(|(schema, _)| schema == other).map(|(_, call)| call.clone()).collect()
}

/// With what all services share, and the machine behind it. `superuser` is the process of a
/// superuser's connection.
pub fn on_server(role: &str, superuser: i32) -> Vec<String> {
    let statements = [
        "CREATE TABLE public.intruder ()",
        "CREATE FUNCTION public.intruder() RETURNS int LANGUAGE sql RETURN 1",
        "CREATE TABLE pg_catalog.intruder ()",
        "CREATE TEMPORARY TABLE intruder ()",
        "CREATE SCHEMA more",
        "CREATE DATABASE more",
        "CREATE ROLE more",
        "CREATE TABLESPACE more LOCATION '/tmp'",
        "CREATE FUNCTION mine() RETURNS int LANGUAGE c AS 'libc', 'getpid'",
        "CREATE FUNCTION mine() RETURNS int LANGUAGE internal AS 'pg_backend_pid'",
        "CREATE PUBLICATION more FOR ALL TABLES",
        "CREATE SUBSCRIPTION more CONNECTION '' PUBLICATION more WITH (connect = false)",
        "CREATE FOREIGN DATA WRAPPER more",
        "SELECT pg_create_logical_replication_slot('more', 'pgoutput')",
        "SELECT pg_read_file('PG_VERSION')",
        "SELECT pg_read_binary_file('PG_VERSION')",
        "SELECT pg_stat_file('PG_VERSION')",
        "SELECT pg_ls_dir('.')",
        "SELECT pg_ls_logdir()",
        "SELECT pg_ls_waldir()",
        "SELECT lo_import('/etc/passwd')",
        "SELECT lo_export(1, '/tmp/intruder')",
        "COPY inbox FROM '/etc/passwd'",
        "COPY inbox FROM PROGRAM 'true'",
        "COPY inbox TO '/tmp/intruder'",
        "COPY inbox TO PROGRAM 'true'",
        "SELECT rolpassword FROM pg_authid",
        "SELECT passwd FROM pg_shadow",
        "SELECT * FROM pg_hba_file_rules",
        "SELECT * FROM pg_file_settings",
        "SELECT * FROM pg_largeobject",
        "UPDATE pg_class SET relacl = NULL",
        "ALTER SYSTEM SET work_mem = '1GB'",
        "SET session_replication_role = replica",
        "SET log_statement = 'none'",
        "SELECT pg_reload_conf()",
        "SELECT pg_switch_wal()",
        "CHECKPOINT",
    ]
    .map(str::to_owned);
    let named = [
        format!("SELECT pg_terminate_backend({superuser})"),
        format!("SELECT pg_cancel_backend({superuser})"),
        format!("ALTER ROLE {role} SUPERUSER"),
        format!("ALTER ROLE {role} CONNECTION LIMIT -1"),
        format!("GRANT pg_read_all_data TO {role}"),
        format!("GRANT pg_read_server_files TO {role}"),
        "SET ROLE postgres".to_owned(),
        "SET SESSION AUTHORIZATION postgres".to_owned(),
        "ALTER DATABASE boutique SET search_path = public".to_owned(),
        "DROP DATABASE postgres".to_owned(),
    ];
    statements.into_iter().chain(named).collect()
}
