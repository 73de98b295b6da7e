//! What an audit finds.

use std::fmt;

/// The rules that are counted apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Breach {
    /// An order that was accepted is not there, or is another customer's.
    Lost,
    /// One wish has become two orders.
    Doubled,
    /// An order has not ended.
    NonTerminal,
    /// More was sold or set aside than there was.
    Oversold,
    /// Money was taken for an order that did not complete.
    ChargedWithoutOrder,
    /// Money is set aside, or the provider is still to be asked.
    LeftAuthorised,
    /// A customer's stream left something out.
    MissedSse,
    /// A customer's stream told what is not theirs, or is not so.
    ForeignSse,
    /// A dead letter that nobody planted.
    DeadLetter,
    /// A record that nobody can process, and that is no dead letter.
    NoDeadLetter,
    /// An event that must have been published was not.
    EventMissing,
    /// An event that is not so, or that was told twice.
    EventWrong,
    /// A customer was not told.
    NotificationMissing,
    /// A customer was told twice, or of what is not so.
    NotificationDoubled,
    /// A secret stands in a log.
    LogLeak,
    /// An event waits in an outbox.
    OutboxRow,
    /// A service is not through with its topics.
    Unread,
    /// Reading a topic again changed something.
    ReplayChange,
    /// Two services do not agree.
    Disagreement,
    /// The run itself failed.
    Failure,
}

/// A rule that does not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// What it counts as.
    pub breach: Breach,
    /// What must hold.
    pub rule: &'static str,
    /// How often it does not.
    pub count: usize,
    /// Some of that which it does not hold for.
    pub examples: Vec<String>,
}

impl Violation {
    /// How many examples are told.
    pub const EXAMPLES: usize = 5;

    /// The violation of a rule that does not hold for `broken`; none if that is nothing.
    pub fn of(breach: Breach, rule: &'static str, mut broken: Vec<String>) -> Option<Self> {
        let count = broken.len();
        broken.truncate(Self::EXAMPLES);
        (count > 0).then_some(Self { breach, rule, count, examples: broken })
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} times, such as {}", self.rule, self.count, self.examples.join(", "))
    }
}
