//! What a run came to, for people and for programs.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::Result;
use serde::Serialize;

use super::Options;
use super::faults::Counts;
use crate::audit::kept::Kept;
use crate::audit::{Breach, Violation};
use crate::say;

/// The figures of a run, and every rule that does not hold.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// What the faults and orders were drawn from.
    pub seed: u64,
    /// Seconds for which orders were placed and things were broken.
    pub duration: u64,
    /// Of each service.
    pub replicas: u8,
    /// Nodes of Kafka.
    pub brokers: u8,
    /// Processes that were killed.
    pub kills: u32,
    /// What was broken how often.
    pub faults: BTreeMap<&'static str, u32>,
    /// Orders that are kept.
    pub orders: usize,
    /// Orders that customers were told were accepted.
    pub accepted: usize,
    /// Orders that are reserved and paid.
    pub completed: usize,
    /// Orders that could not be.
    pub failed: usize,
    /// Orders that were given up.
    pub cancelled: usize,
    /// Dead letters of what was planted.
    pub planted_dead_letters: usize,
    non_terminal: usize,
    lost: usize,
    doubled: usize,
    oversold: usize,
    charged_without_order: usize,
    left_authorised: usize,
    missed_sse: usize,
    foreign_sse: usize,
    dead_letters: usize,
    events_missing: usize,
    events_wrong: usize,
    notifications_missing: usize,
    notifications_doubled: usize,
    log_leaks: usize,
    outbox_rows: usize,
    replay_changes: usize,
    /// Every rule that does not hold, with examples.
    pub violations: Vec<String>,
}

impl Report {
    /// Of a run that is about to begin.
    pub fn new(options: &Options, seed: u64) -> Self {
        let Options { duration, replicas, brokers, .. } = *options;
        Self { seed, duration, replicas, brokers, ..Self::default() }
    }

    /// Takes in what was broken.
    pub fn count_faults(&mut self, faults: &Counts, planted: u32) {
        self.faults = faults.by_kind().clone();
        self.kills = faults.kills();
        self.faults.insert("poison planted", planted);
    }

    /// Takes in how the orders ended.
    pub fn count_orders(&mut self, kept: &Kept) {
        let ended = |status| kept.orders.values().filter(|order| order.status == status).count();
        self.orders = kept.orders.len();
        self.completed = ended("COMPLETED");
        self.failed = ended("FAILED");
        self.cancelled = ended("CANCELLED");
    }

    /// Takes in what does not hold.
    pub fn add(&mut self, violations: impl IntoIterator<Item = Violation>) {
        for violation in violations {
            if let Some(count) = self.count_of(violation.breach) {
                *count += violation.count;
            }
            self.violations.push(violation.to_string());
        }
    }

    /// The figure of a breach that has one.
    fn count_of(&mut self, breach: Breach) -> Option<&mut usize> {
        Some(match breach {
            Breach::Lost => &mut self.lost,
            Breach::Doubled => &mut self.doubled,
            Breach::NonTerminal => &mut self.non_terminal,
            Breach::Oversold => &mut self.oversold,
            Breach::ChargedWithoutOrder => &mut self.charged_without_order,
            Breach::LeftAuthorised => &mut self.left_authorised,
            Breach::MissedSse => &mut self.missed_sse,
            Breach::ForeignSse => &mut self.foreign_sse,
            Breach::DeadLetter => &mut self.dead_letters,
            Breach::EventMissing => &mut self.events_missing,
            Breach::EventWrong => &mut self.events_wrong,
            Breach::NotificationMissing => &mut self.notifications_missing,
            Breach::NotificationDoubled => &mut self.notifications_doubled,
            Breach::LogLeak => &mut self.log_leaks,
            Breach::OutboxRow => &mut self.outbox_rows,
            Breach::ReplayChange => &mut self.replay_changes,
            Breach::NoDeadLetter | Breach::Unread | Breach::Disagreement | Breach::Failure => {
                return None;
            }
        })
    }

    /// Writes it as JSON.
    pub fn write(&self, path: &Path) -> Result<()> {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        Ok(fs::write(path, serde_json::to_string_pretty(self)? + "\n")?)
    }

    /// Prints it as a table.
    pub fn print(&self) {
        let rows: [(&str, &[(&str, usize)]); 6] = [
            (
                "orders",
                &[
                    ("kept", self.orders),
                    ("completed", self.completed),
                    ("failed", self.failed),
                    ("cancelled", self.cancelled),
                    ("not ended", self.non_terminal),
                ],
            ),
            (
                "accepted",
                &[("answered", self.accepted), ("lost", self.lost), ("doubled", self.doubled)],
            ),
            (
                "stock, money",
                &[
                    ("oversold", self.oversold),
                    ("charged without order", self.charged_without_order),
                    ("left authorised", self.left_authorised),
                ],
            ),
            (
                "events",
                &[
                    ("missing", self.events_missing),
                    ("wrong", self.events_wrong),
                    ("in outboxes", self.outbox_rows),
                    ("changed by a replay", self.replay_changes),
                ],
            ),
            (
                "customers",
                &[
                    ("missed on streams", self.missed_sse),
                    ("of others", self.foreign_sse),
                    ("not told", self.notifications_missing),
                    ("told twice", self.notifications_doubled),
                ],
            ),
            (
                "dead letters",
                &[("planted", self.planted_dead_letters), ("others", self.dead_letters)],
            ),
        ];
        say("");
        for (name, figures) in rows {
            let figures: Vec<_> =
                figures.iter().map(|(of, count)| format!("{of} {count}")).collect();
            say(&format!("{name:<14}{}", figures.join(", ")));
        }
        say(&format!("{:<14}{}", "log leaks", self.log_leaks));
        let faults: Vec<_> =
            self.faults.iter().map(|(kind, count)| format!("{kind} {count}")).collect();
        say(&format!("{:<14}{}", "faults", faults.join(", ")));
        say(&format!("{:<14}{}", "violations", self.violations.len()));
        for violation in &self.violations {
            say(&format!("  {violation}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn every_figure_is_in_the_report_by_its_name() {
        let mut report = Report::default();
        let breaches = [
            (Breach::Lost, "lost"),
            (Breach::Doubled, "doubled"),
            (Breach::NonTerminal, "nonTerminal"),
            (Breach::Oversold, "oversold"),
            (Breach::ChargedWithoutOrder, "chargedWithoutOrder"),
            (Breach::LeftAuthorised, "leftAuthorised"),
            (Breach::MissedSse, "missedSse"),
            (Breach::ForeignSse, "foreignSse"),
            (Breach::DeadLetter, "deadLetters"),
            (Breach::EventMissing, "eventsMissing"),
            (Breach::EventWrong, "eventsWrong"),
            (Breach::NotificationMissing, "notificationsMissing"),
            (Breach::NotificationDoubled, "notificationsDoubled"),
            (Breach::LogLeak, "logLeaks"),
            (Breach::OutboxRow, "outboxRows"),
            (Breach::ReplayChange, "replayChanges"),
        ];
        for (number, (breach, _)) in (1..).zip(breaches) {
            let broken = vec!["x".to_owned(); number];
            report.add(Violation::of(breach, "a rule", broken));
        }
        let json: Value = serde_json::to_value(&report).unwrap();
        for (number, (_, name)) in (1..).zip(breaches) {
            assert_eq!(json[name], number, "{name}");
        }
        assert_eq!(json["violations"][1], "a rule: 2 times, such as x, x");
        for name in [
            "orders",
            "accepted",
            "completed",
            "failed",
            "cancelled",
            "plantedDeadLetters",
            "kills",
            "faults",
            "seed",
            "duration",
            "replicas",
            "brokers",
        ] {
            assert!(json.get(name).is_some(), "{name}");
        }
    }
}
