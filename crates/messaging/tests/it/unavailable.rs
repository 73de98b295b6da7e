//! What passes by waiting, as Postgres tells it.

use messaging::{HandlerError, is_database_unavailable};
use test_support::TestEnv;

use crate::world::SERVICE;

#[tokio::test]
async fn what_passes_is_told_from_what_stays() {
    let pool = TestEnv::new(SERVICE).await.pool().await;
    for (statement, passes) in [
        ("SET statement_timeout = 10; SELECT pg_sleep(5)", true),
        ("DO $$ BEGIN RAISE SQLSTATE '40001'; END $$", true),
        ("DO $$ BEGIN RAISE SQLSTATE '40P01'; END $$", true),
        ("DO $$ BEGIN RAISE SQLSTATE '53300'; END $$", true),
        ("DO $$ BEGIN RAISE SQLSTATE '57P03'; END $$", true),
        // A standby that is not promoted yet.
        ("BEGIN READ ONLY; CREATE TABLE nothing ()", true),
        ("SELECT 1/0", false),
        ("SELECT * FROM nothing", false),
    ] {
        let mut connection = pool.acquire().await.unwrap().detach();
        let error = sqlx::raw_sql(statement).execute(&mut connection).await.unwrap_err();
        assert_eq!(is_database_unavailable(&error), passes, "{statement}: {error}");
        let wrapped = HandlerError::permanent(error);
        assert_eq!(is_database_unavailable(&wrapped), passes, "{statement}, as a cause");
    }
    assert!(!is_database_unavailable(&std::io::Error::other("no database")));
}
