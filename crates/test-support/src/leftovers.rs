//! Databases and topics of tests: how they are named, and how those of ended tests go away.
//!
//! A test that was killed cannot clean up, and one that panicked should leave its database to be
//! looked at; so the next test process removes what belongs to processes that are gone.

use anyhow::Result;
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use tokio::sync::OnceCell;
use uuid::Uuid;

use crate::kafka;
use crate::stack::is_gone;

const DATABASES: &str = "boutique_test_";

/// `<process id>_<12 random digits>`.
pub(crate) fn new_id() -> String {
    let random = Uuid::now_v7().as_u64_pair().1 & 0xffff_ffff_ffff;
    format!("{}_{random:012x}", std::process::id())
}

pub(crate) fn database_name(id: &str) -> String {
    format!("{DATABASES}{id}")
}

pub(crate) fn topic_prefix(id: &str) -> String {
    format!("t{}-", id.replace('_', "-"))
}

/// Whether the process that the name was made by is gone.
pub(crate) fn is_left(id: &str) -> bool {
    let pid = id.split(['_', '-']).next().and_then(|pid| pid.parse::<u32>().ok());
    pid.is_some_and(is_gone)
}

/// Removes what ended test processes left, once in this process, as far as it goes: whatever
/// fails here would fail the test itself with a better message.
pub(crate) async fn remove_once(superuser_url: &str, brokers: &str) {
    static DONE: OnceCell<()> = OnceCell::const_new();
    DONE.get_or_init(|| async {
        let _ = remove_databases(superuser_url).await;
        let _ = kafka::delete_topics(brokers, |topic| topic.strip_prefix('t').is_some_and(is_left))
            .await;
    })
    .await;
}

async fn remove_databases(superuser_url: &str) -> Result<()> {
    let mut connection = PgConnection::connect(superuser_url).await?;
    let databases: Vec<String> =
        sqlx::query_scalar("SELECT datname FROM pg_database WHERE starts_with(datname, $1)")
            .bind(DATABASES)
            .fetch_all(&mut connection)
            .await?;
    for database in databases {
        let Some(id) = database.strip_prefix(DATABASES).filter(|id| is_left(id)) else {
            continue;
        };
        let drop = AssertSqlSafe(format!("DROP DATABASE IF EXISTS {database}"));
        sqlx::raw_sql(drop).execute(&mut connection).await?;
        let roles: Vec<String> =
            sqlx::query_scalar("SELECT rolname FROM pg_roles WHERE right(rolname, $1) = $2")
                .bind(i32::try_from(id.len() + 1)?)
                .bind(format!("_{id}"))
                .fetch_all(&mut connection)
                .await?;
        for role in roles {
            let drop = AssertSqlSafe(format!("DROP ROLE IF EXISTS {role}"));
            sqlx::raw_sql(drop).execute(&mut connection).await?;
        }
    }
    Ok(connection.close().await?)
}
