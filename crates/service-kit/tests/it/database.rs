//! Connections and migrations on a real Postgres.

use std::time::Duration;

use service_kit::config::DatabaseArgs;
use service_kit::database;
use sqlx::PgPool;
use sqlx::migrate::{Migration, MigrationType, Migrator};
use test_support::{OwnPostgres, TestEnv};

fn migrator(migrations: &[(i64, &'static str)]) -> Migrator {
    let migration = |&(version, sql): &(i64, &'static str)| {
        let outside_a_transaction = sql.starts_with("-- no-transaction");
        let sql = sqlx::SqlSafeStr::into_sql_str(sql);
        let kind = MigrationType::Simple;
        Migration::new(version, "test".into(), kind, sql, outside_a_transaction)
    };
    Migrator::with_migrations(migrations.iter().map(migration).collect())
}

fn args(database_url: String) -> DatabaseArgs {
    DatabaseArgs { database_url, database_max_connections: 2 }
}

/// The versions that every service has: messaging's and the kit's own.
fn shared() -> Vec<i64> {
    let messaging = messaging::MIGRATIONS.iter().map(|migration| migration.version);
    messaging.chain([50]).collect()
}

async fn applied(pool: &PgPool) -> Vec<i64> {
    let versions = sqlx::query_scalar("SELECT version FROM _sqlx_migrations ORDER BY installed_on");
    versions.fetch_all(pool).await.unwrap()
}

#[tokio::test]
async fn migrations_of_all_crates_are_applied_in_order_and_once() {
    let pool = TestEnv::new("orders").await.pool().await;
    let later = migrator(&[(101, "CREATE TABLE parcels (order_id bigint REFERENCES orders)")]);
    let service =
        migrator(&[(100, "CREATE TABLE orders (id bigint PRIMARY KEY REFERENCES outbox)")]);
    let migrations = [&later, &service];
    database::migrate(&pool, &migrations).await.unwrap();
    let all = [&shared()[..], &[100, 101]].concat();
    assert_eq!(applied(&pool).await, all);
    database::migrate(&pool, &migrations).await.unwrap();
    database::ensure_migrated(&pool, &migrations, "orders").await.unwrap();
    assert_eq!(applied(&pool).await, all);
}

#[tokio::test]
async fn replicas_may_migrate_at_the_same_time() {
    let pool = TestEnv::new("orders").await.pool().await;
    let slow = migrator(&[(100, "CREATE TABLE orders (); SELECT pg_sleep(0.2)")]);
    let migrations = [&slow];
    let results = tokio::join!(
        database::migrate(&pool, &migrations),
        database::migrate(&pool, &migrations),
        database::migrate(&pool, &migrations),
        database::migrate(&pool, &migrations),
    );
    for result in [results.0, results.1, results.2, results.3] {
        result.unwrap();
    }
    assert_eq!(applied(&pool).await, [&shared()[..], &[100]].concat());
}

/// An index that is made concurrently waits for all sessions of the database that are in the middle of a
/// statement: nobody may wait for a migration like that.
#[tokio::test]
async fn replicas_of_several_services_may_migrate_at_the_same_time_with_a_concurrent_index() {
    let env = TestEnv::new("orders").await;
    let inventory = PgPool::connect(&env.database_url_of("inventory").await).await.unwrap();
    let pools = [env.pool().await, inventory];
    let migrator = migrator(&[
        (100, "CREATE TABLE parcels (weight int); SELECT pg_sleep(0.2)"),
        (101, "-- no-transaction\nCREATE INDEX CONCURRENTLY parcels_weight ON parcels (weight)"),
    ]);
    let migrations = [&migrator];
    let results = tokio::join!(
        database::migrate(&pools[0], &migrations),
        database::migrate(&pools[1], &migrations),
        database::migrate(&pools[0], &migrations),
        database::migrate(&pools[1], &migrations),
    );
    for result in [results.0, results.1, results.2, results.3] {
        result.unwrap();
    }
    for pool in &pools {
        assert_eq!(applied(pool).await, [&shared()[..], &[100, 101]].concat());
    }
}

#[tokio::test]
async fn two_migrations_of_one_version_are_refused() {
    let pool = TestEnv::new("orders").await.pool().await;
    let (first, second) = (migrator(&[(100, "SELECT 1")]), migrator(&[(100, "SELECT 2")]));
    let error = database::migrate(&pool, &[&first, &second]).await.unwrap_err();
    assert!(error.to_string().contains("two migrations have the version 100"), "{error}");
}

#[tokio::test]
async fn a_migration_that_failed_does_not_lock_out_the_next_one() {
    let pool = TestEnv::new("orders").await.pool().await;
    let broken = migrator(&[(100, "CREATE TABLE orders (); SELECT 1/0")]);
    database::migrate(&pool, &[&broken]).await.unwrap_err();
    let mended = migrator(&[(100, "CREATE TABLE orders ()")]);
    let migrations = [&mended];
    let attempt = database::migrate(&pool, &migrations);
    tokio::time::timeout(Duration::from_secs(20), attempt).await.unwrap().unwrap();
    assert_eq!(applied(&pool).await, [&shared()[..], &[100]].concat());
}

#[tokio::test]
async fn a_schema_that_is_behind_is_refused_and_one_that_is_ahead_is_not() {
    let pool = TestEnv::new("orders").await.pool().await;
    let old = migrator(&[(100, "SELECT 1")]);
    let new = migrator(&[(100, "SELECT 1"), (101, "SELECT 2")]);
    let error = database::ensure_migrated(&pool, &[&old], "orders").await.unwrap_err();
    assert!(error.to_string().contains("run `orders migrate`"), "{error}");

    database::migrate(&pool, &[&old]).await.unwrap();
    database::ensure_migrated(&pool, &[&old], "orders").await.unwrap();
    let error = database::ensure_migrated(&pool, &[&new], "orders").await.unwrap_err();
    assert!(error.to_string().contains("lacks the migrations 101 (test)"), "{error}");

    database::migrate(&pool, &[&new]).await.unwrap();
    database::ensure_migrated(&pool, &[&old], "orders").await.unwrap();
    database::migrate(&pool, &[&old]).await.unwrap();
}

#[tokio::test]
async fn connections_are_named_and_bounded_in_time() {
    let env = TestEnv::new("orders").await;
    let pool = database::connect(&args(env.database_url()), "orders").await.unwrap();
    for (setting, expected) in [
        ("application_name", "orders"),
        ("statement_timeout", "10s"),
        ("lock_timeout", "5s"),
        ("idle_in_transaction_session_timeout", "15s"),
        ("transaction_timeout", "20s"),
    ] {
        let value: String = sqlx::query_scalar("SELECT current_setting($1)")
            .bind(setting)
            .fetch_one(&pool)
            .await
            .unwrap();
        assert_eq!(value, expected, "{setting}");
    }
}

#[tokio::test]
async fn what_waiting_cannot_mend_is_an_error_without_the_password() {
    let env = TestEnv::new("orders").await;
    let url = env.database_url();
    let (user, rest) = url.split_once(":test@").unwrap();
    let wrong = [
        format!("{user}:hunter2@{rest}"),
        format!("{url}_hunter2"),
        "hunter2".to_owned(),
        "postgres://u:hunter2@host:port/x".to_owned(),
    ];
    for url in wrong {
        let attempt = database::connect(&args(url), "orders").await;
        let error = format!("{:#}", attempt.unwrap_err());
        assert!(error.contains("DATABASE_URL"), "{error}");
        assert!(!error.contains(":hunter2"), "{error}");
    }
}

#[tokio::test]
async fn waits_for_a_database_that_is_away() {
    let mut postgres = OwnPostgres::start().await;
    postgres.stop().await;
    let url = postgres.url();
    let waiting = tokio::spawn(async move { database::connect(&args(url), "orders").await });
    postgres.start_again().await;
    let pool = waiting.await.unwrap().unwrap();
    sqlx::query("SELECT 1").execute(&pool).await.unwrap();

    postgres.stop_immediate().await;
    let error = sqlx::query("SELECT 1").execute(&pool).await.unwrap_err();
    assert!(messaging::is_database_unavailable(&error), "{error:?}");
}
