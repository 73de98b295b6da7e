//! Schemas without their services.

use std::fs;

use sqlx::{AssertSqlSafe, Connection, PgConnection};
use test_support::stack::checkout;

/// Makes the schema as the service does, with its role's URL: the migrations of the crates all share,
/// and its own.
pub async fn migrate(database_url: &str, service: &str) {
    let mut connection = PgConnection::connect(database_url).await.unwrap();
    for folder in ["messaging", "service-kit", service] {
        let folder = checkout().join("migrations").join(folder);
        let mut files: Vec<_> =
            fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()).collect();
        files.sort();
        for file in files {
            let sql = fs::read_to_string(&file).unwrap();
            sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await.unwrap();
        }
    }
    connection.close().await.unwrap();
}
