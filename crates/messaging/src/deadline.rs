use std::time::Duration;

/// How long work with the database may take: longer than a transaction is allowed to.
const LONGEST: Duration = Duration::from_secs(30);

/// Gives work with the database up when no answer comes.
///
/// Postgres bounds its statements and transactions by itself, but a host that vanishes takes those bounds
/// along, and a connection to it waits for minutes or for ever.
///
/// # Errors
///
/// Those of `work`, and that of a broken connection after 30 seconds.
pub async fn in_time<T, E: From<sqlx::Error>>(
    work: impl Future<Output = Result<T, E>>,
) -> Result<T, E> {
    let answered = tokio::time::timeout(LONGEST, work).await;
    answered.unwrap_or_else(|_| Err(sqlx::Error::Io(std::io::ErrorKind::TimedOut.into()).into()))
}
