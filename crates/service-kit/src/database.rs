//! The service's Postgres: connecting, waiting for it, and migrating it.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, bail};
use messaging::is_database_unavailable;
use sqlx::error::DatabaseError;
use sqlx::migrate::{Migration, Migrator};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{ConnectOptions, Connection, PgConnection, PgPool};
use tokio::time::Instant;
use tracing::log::LevelFilter;

use crate::config::DatabaseArgs;

const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(3);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// How long an unused connection is taken to live still.
const TRUSTED_FOR: Duration = Duration::from_secs(1);
const SLOW_STATEMENT: Duration = Duration::from_secs(1);
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
const WAITING_LOG_INTERVAL: Duration = Duration::from_secs(10);
const MIGRATION_LOCK_PAUSE: Duration = Duration::from_millis(100);

static MIGRATIONS: Migrator = sqlx::migrate!("../../migrations/service-kit");

/// Connects to the database, waiting for as long as it is away.
///
/// What waiting cannot mend, such as a wrong password or an unknown database, is an error at once.
pub async fn connect(args: &DatabaseArgs, service: &str) -> anyhow::Result<PgPool> {
    let options = options(&args.database_url, service)?;
    wait_until_reachable(&options).await?;
    Ok(pool(options, args.database_max_connections))
}

/// Applies what is missing of the service's migrations, of messaging's and of this crate's own, in
/// the order of their versions. Two migrations of one version are an error. Safe to run twice, and by several
/// replicas at once.
pub async fn migrate(pool: &PgPool, migrations: &[&Migrator]) -> anyhow::Result<()> {
    // A statement of a migration may take long; and should one fail, the connection that holds the
    // migration lock ends with it instead of going back to the pool.
    let options = pool.connect_options().as_ref().clone().options([
        ("statement_timeout", "0"),
        ("transaction_timeout", "0"),
        ("lock_timeout", "60s"),
    ]);
    let mut connection = PgConnection::connect_with(&options).await.context("cannot connect")?;
    lock_migrations(&mut connection).await.context("cannot lock the schema's migrations")?;
    merge(migrations)?.run(&mut connection).await?;
    connection.close().await.context("cannot close the connection")
}

/// Waits until nobody else migrates this schema. The lock ends with the connection.
///
/// It asks again and again instead of waiting inside a statement: `CREATE INDEX CONCURRENTLY` waits for
/// every statement in the database that began before, and two that wait for each other are a deadlock.
async fn lock_migrations(connection: &mut PgConnection) -> sqlx::Result<()> {
    let mut told = Instant::now();
    loop {
        let locked: bool = sqlx::query_scalar(
            "SELECT pg_try_advisory_lock(hashtextextended(concat('migrate:', current_schema()), 0))",
        )
        .fetch_one(&mut *connection)
        .await?;
        if locked {
            return Ok(());
        }
        if told.elapsed() >= WAITING_LOG_INTERVAL {
            tracing::info!("waiting for another process that migrates this schema");
            told = Instant::now();
        }
        tokio::time::sleep(MIGRATION_LOCK_PAUSE).await;
    }
}

/// Fails while a migration has not been applied; the message names the command that does it.
///
/// Migrations this build does not know are fine: during an upgrade the schema is ahead of the
/// replicas that still run.
pub async fn ensure_migrated(
    pool: &PgPool,
    migrations: &[&Migrator],
    service: &str,
) -> anyhow::Result<()> {
    let migrated: bool = sqlx::query_scalar("SELECT to_regclass('_sqlx_migrations') IS NOT NULL")
        .fetch_one(pool)
        .await?;
    let applied: Vec<i64> = if migrated {
        sqlx::query_scalar("SELECT version FROM _sqlx_migrations WHERE success")
            .fetch_all(pool)
            .await?
    } else {
        Vec::new()
    };
    let pending: Vec<String> = merge(migrations)?
        .iter()
        .filter(|migration| !applied.contains(&migration.version))
        .map(|migration| format!("{} ({})", migration.version, migration.description))
        .collect();
    if !pending.is_empty() {
        bail!("the database lacks the migrations {}; run `{service} migrate`", pending.join(", "));
    }
    Ok(())
}

/// Fails unless the URL is one.
pub(crate) fn check_url(args: &DatabaseArgs) -> anyhow::Result<()> {
    options(&args.database_url, "").map(drop)
}

fn options(url: &str, service: &str) -> anyhow::Result<PgConnectOptions> {
    let options: PgConnectOptions =
        url.parse().context("DATABASE_URL is not a valid Postgres URL")?;
    Ok(options
        .application_name(service)
        .options([
            ("statement_timeout", "10s"),
            ("lock_timeout", "5s"),
            ("idle_in_transaction_session_timeout", "15s"),
            ("transaction_timeout", "20s"),
            // Every statement finds its rows by a key. Plans are cached, and one that was made while a
            // table was empty, or believed to be, would go on reading all of it as it grows.
            ("enable_seqscan", "off"),
            ("enable_hashjoin", "off"),
            ("enable_mergejoin", "off"),
            // So one plan is as good as another, and making it anew costs more than most statements do.
            ("plan_cache_mode", "force_generic_plan"),
            ("jit", "off"),
        ])
        .log_statements(LevelFilter::Debug)
        .log_slow_statements(LevelFilter::Warn, SLOW_STATEMENT))
}

fn pool(options: PgConnectOptions, max_connections: u32) -> PgPool {
    PgPoolOptions::new()
        .max_connections(max_connections)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        // A connection that was used just now is not asked whether it lives: a round trip a transaction.
        .test_before_acquire(false)
        .before_acquire(|connection, metadata| {
            Box::pin(async move {
                if metadata.idle_for > TRUSTED_FOR {
                    connection.ping().await?;
                }
                Ok(true)
            })
        })
        // The pool asks it as well when it comes back, but without a bound: a connection to a host that has
        // vanished would be neither used nor replaced.
        .after_release(|connection, _| {
            Box::pin(async move {
                let answered = tokio::time::timeout(CONNECT_TIMEOUT, connection.ping()).await;
                Ok(answered.is_ok_and(|answer| answer.is_ok()))
            })
        })
        .connect_lazy_with(options)
}

async fn wait_until_reachable(options: &PgConnectOptions) -> anyhow::Result<()> {
    let mut pause = FIRST_PAUSE;
    let mut logged: Option<Instant> = None;
    loop {
        let attempt = tokio::time::timeout(CONNECT_TIMEOUT, PgConnection::connect_with(options));
        let error = match attempt.await {
            Ok(Ok(connection)) => {
                if logged.is_some() {
                    tracing::info!("the database is reachable");
                }
                return connection.close().await.context("cannot use the database");
            }
            // A service that cannot speak TLS where it is asked to will not learn it by waiting.
            Ok(Err(error @ sqlx::Error::Tls(_))) => return Err(cannot_connect(error)),
            Ok(Err(error)) if is_database_unavailable(&error) => error.to_string(),
            Ok(Err(error)) => return Err(cannot_connect(error)),
            Err(_elapsed) => "no answer".to_owned(),
        };
        if logged.is_none_or(|at| at.elapsed() >= WAITING_LOG_INTERVAL) {
            tracing::warn!(error, "waiting for the database");
            logged = Some(Instant::now());
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

fn cannot_connect(error: sqlx::Error) -> anyhow::Error {
    let code = error.as_database_error().and_then(DatabaseError::code);
    let undefined_setting = code.is_some_and(|code| code == "42704");
    let error = anyhow::Error::new(error);
    if undefined_setting {
        error.context("cannot use the database of DATABASE_URL: Postgres 17 or newer is needed")
    } else {
        error.context("cannot use the database of DATABASE_URL")
    }
}

fn merge(migrations: &[&Migrator]) -> anyhow::Result<Migrator> {
    let mut merged: BTreeMap<i64, Migration> = BTreeMap::new();
    let shared = [&messaging::MIGRATIONS, &MIGRATIONS];
    for migration in migrations.iter().copied().chain(shared).flat_map(Migrator::iter) {
        if let Some(other) = merged.insert(migration.version, migration.clone()) {
            bail!(
                "two migrations have the version {}: {} and {}",
                migration.version,
                other.description,
                migration.description
            );
        }
    }
    let mut merged = Migrator::with_migrations(merged.into_values().collect());
    // An older build may be asked to migrate a schema that is ahead of it: nothing to do.
    merged.set_ignore_missing(true);
    // Its lock is one for all services of the database, and it waits for it inside a statement.
    merged.set_locking(false);
    Ok(merged)
}
