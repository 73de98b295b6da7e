//! Whether everything adds up after a load.

use std::time::{Duration, Instant};

use anyhow::Result;
use sqlx::AssertSqlSafe;

use super::stage::Stage;
use crate::{audit, say};

/// How long is waited for what is soon over.
const PATIENCE: Duration = Duration::from_mins(1);
/// Rules of the audit that do not hold while anything goes on, the last ones to hold at the end.
const SOON_OVER: [&str; 4] = [
    "no order that has ended holds stock",
    "nothing is left authorised or on its way",
    "every notification is sent",
    "every outbox is empty",
];

impl Stage<'_> {
    /// What of the audit's rules that the databases alone can tell does not hold.
    pub async fn audit(&self) -> Result<Vec<String>> {
        self.settled().await?;
        let broken = audit::wait(&self.stack.description.database_url, &[].into()).await?;
        Ok(broken.iter().map(ToString::to_string).collect())
    }

    /// Waits until what is quickly looked at is over. All rules together take long where there are many orders, and
    /// are better asked once.
    pub async fn settled(&self) -> Result<()> {
        let mut database = self.database().await?;
        let rules = audit::rules();
        let since = Instant::now();
        for rule in rules.iter().filter(|rule| SOON_OVER.contains(&rule.name)) {
            let goes_on = format!("SELECT EXISTS ({})", rule.broken);
            while sqlx::query_scalar(AssertSqlSafe(goes_on.clone()))
                .fetch_one(&mut database)
                .await?
                && since.elapsed() < PATIENCE
            {
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        }
        Ok(())
    }

    /// What of the events does not fit what the databases hold.
    pub async fn audit_events(&self) -> Result<Vec<String>> {
        say("\ncomparing all events with what the databases hold");
        let kept = audit::kept(&self.stack.description.database_url).await?;
        let brokers = &self.stack.description.kafka_brokers;
        let broken = audit::events(brokers, &kept, |_| false).await?;
        Ok(broken.iter().map(ToString::to_string).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_waited_for_is_a_rule() {
        for name in SOON_OVER {
            assert!(audit::rules().iter().any(|rule| rule.name == name), "{name}");
        }
    }
}
