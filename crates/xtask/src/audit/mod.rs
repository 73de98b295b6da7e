//! Reads every schema and says what does not add up.
//!
//! * `rules`: what the databases alone can tell, in SQL.
//! * `letters`: dead letters.
//! * `kept`: what the databases hold, to be compared with what is elsewhere.
//! * `events`: whether the topics tell what is kept; `due` is what they must tell, `told` what they do.
//! * `mails`: whether customers were written to.
//! * `violation`: what is found.

mod due;
pub mod events;
#[cfg(test)]
pub(crate) mod example;
mod facts;
pub mod kept;
mod letters;
pub mod mails;
mod rules;
mod told;
mod violation;

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};
use test_support::stack::in_database;

use crate::{database::DATABASE, say};

pub use letters::{DeadLetter, compare as compare_letters};
pub use rules::{Rule, rules};
pub use violation::{Breach, Violation};

/// How long the last events may take to settle: longer than a killed replica's leases last, and than a payment
/// provider is left alone.
const PATIENCE: Duration = Duration::from_mins(2);

/// Waits until nothing moves any more and every rule holds, without a dead letter; `superuser_url` is of the
/// stack's Postgres.
///
/// # Errors
///
/// When a rule does not hold in the end; the error names each, with examples.
pub async fn settled(superuser_url: &str) -> Result<()> {
    let broken = wait(superuser_url, &BTreeSet::new()).await?;
    let texts: Vec<_> = broken.iter().map(ToString::to_string).collect();
    ensure!(broken.is_empty(), "the audit found: {}", texts.join("; "));
    say(&format!("the audit's {} rules hold", rules().len()));
    Ok(())
}

/// Waits until nothing moves any more, and returns the rules that do not hold even so. `poison` are the dead
/// letters there must be.
pub async fn wait(superuser_url: &str, poison: &BTreeSet<DeadLetter>) -> Result<Vec<Violation>> {
    let url = in_database(superuser_url, DATABASE);
    let mut connection = PgConnection::connect(&url).await?;
    let deadline = Instant::now() + PATIENCE;
    loop {
        let mut broken = violations(&mut connection).await?;
        broken.extend(letters::compare(&letters::kept(&mut connection).await?, poison));
        if broken.is_empty() || Instant::now() > deadline {
            return Ok(broken);
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// The rules that do not hold now; `connection` is the superuser's.
pub async fn violations(connection: &mut PgConnection) -> Result<Vec<Violation>> {
    let mut violations = Vec::new();
    for Rule { name, breach, broken } in rules() {
        let query = format!(
            "WITH broken (what) AS ({broken})
             SELECT count(*), (array_agg(what))[1:{}] FROM broken",
            Violation::EXAMPLES
        );
        let (count, examples): (i64, Option<Vec<String>>) =
            sqlx::query_as(AssertSqlSafe(query)).fetch_one(&mut *connection).await?;
        let count = usize::try_from(count)?;
        if count > 0 {
            let examples = examples.unwrap_or_default();
            violations.push(Violation { breach, rule: name, count, examples });
        }
    }
    Ok(violations)
}
