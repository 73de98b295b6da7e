//! Reads every schema and says what does not add up.
//!
//! * `rules`: what the databases alone can tell, in SQL.
//! * `letters`: dead letters.
//! * `kept`: what the databases hold, to be compared with what is elsewhere.
//! * `events`: whether the topics tell what is kept; `due` is what they must tell, `told` what they do.
//! * `mails`: whether customers were written to.
//! * `violation`: what is found.

mod due;
mod events;
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
use contracts::topic::Topic;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};
use test_support::kafka::{Record, read_all};
use test_support::stack::in_database;

use crate::{database::DATABASE, parts::Description, say};
use events::Events;
use kept::Kept;

pub use letters::{DeadLetter, compare as compare_letters, kept as dead_letters};
pub use rules::{Rule, rules};
pub use violation::{Breach, Violation};

/// How long nothing may change before what is wrong is held to stay so: longer than a killed replica's leases last,
/// and than a payment provider is left alone.
const PATIENCE: Duration = Duration::from_mins(2);
/// How long it may go on changing.
const MOST: Duration = Duration::from_mins(30);

/// Waits until nothing moves any more and every rule holds, without a dead letter, and compares the events on
/// the topics with what is kept.
///
/// # Errors
///
/// When a rule does not hold in the end; the error names each, with examples.
pub async fn settled(stack: &Description) -> Result<()> {
    let mut broken = wait(&stack.database_url, &BTreeSet::new()).await?;
    if broken.is_empty() {
        let kept = kept(&stack.database_url).await?;
        broken = events(&stack.kafka_brokers, &kept, |_| false).await?;
    }
    let texts: Vec<_> = broken.iter().map(ToString::to_string).collect();
    ensure!(broken.is_empty(), "the audit found: {}", texts.join("; "));
    say(&format!("the audit's {} rules hold, and the events tell what is kept", rules().len()));
    Ok(())
}

/// What the databases hold; `superuser_url` is of the stack's Postgres.
pub async fn kept(superuser_url: &str) -> Result<Kept> {
    Kept::read(&mut connect(superuser_url).await?).await
}

/// Compares the events on all topics with what is kept; those that were `planted` are none.
pub async fn events(
    brokers: &str,
    kept: &Kept,
    planted: impl Fn(&Record) -> bool,
) -> Result<Vec<Violation>> {
    let topics: Vec<&str> = Topic::ALL.iter().map(|topic| topic.name()).collect();
    let mut events = Events::new(kept);
    read_all(brokers, &topics, |record| {
        if !planted(&record) {
            events.take(&record);
        }
    })
    .await?;
    Ok(events.violations())
}

async fn connect(superuser_url: &str) -> Result<PgConnection> {
    Ok(PgConnection::connect(&in_database(superuser_url, DATABASE)).await?)
}

/// Waits until nothing moves any more, and returns the rules that do not hold even so. `poison` are the dead
/// letters there must be.
pub async fn wait(superuser_url: &str, poison: &BTreeSet<DeadLetter>) -> Result<Vec<Violation>> {
    let mut connection = connect(superuser_url).await?;
    until_still(PATIENCE, async || {
        let mut broken = violations(&mut connection).await?;
        broken.extend(compare_letters(&dead_letters(&mut connection).await?, poison));
        Ok(broken)
    })
    .await
}

/// Looks again and again, until nothing is wrong, or what is wrong has stayed as it is for as long as `patience`
/// lasts.
pub async fn until_still(
    patience: Duration,
    mut look: impl AsyncFnMut() -> Result<Vec<Violation>>,
) -> Result<Vec<Violation>> {
    let begun = Instant::now();
    let (mut last, mut since) = (Vec::new(), begun);
    loop {
        let found = look().await?;
        if found != last {
            (last, since) = (found, Instant::now());
        }
        if last.is_empty() || since.elapsed() > patience || begun.elapsed() > MOST {
            return Ok(last);
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
