//! What happens in a run, and what can go wrong with it.

use contracts::events::EventType;
use payments::payment::Operation;

use crate::services::Service;

/// Something that a service or a customer does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// A service handles an event.
    Handle(Service, EventType),
    /// A relay publishes one.
    Relay(EventType),
    /// A customer places an order.
    Place,
    /// A customer cancels one.
    Cancel,
    /// A customer pays one.
    Pay,
    /// The provider does what it was asked to.
    Provider(Operation),
    /// A timer fires.
    Fire,
    /// A notification is sent.
    Send,
}

/// What can go wrong with a step, or come in an unusual way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The process dies before the transaction is committed: all of it happens again.
    CrashBeforeCommit,
    /// The process dies before it has told Kafka, or the customer, of the commit: the same comes again.
    CrashAfterCommit,
    /// The same, and the inbox does not know it any more.
    CrashAfterCommitForgotten,
    /// The record is on its topic once more, behind the others.
    Duplicate,
    /// The same, and the inbox does not know it any more.
    DuplicateForgotten,
    /// The topic is read from its beginning with an empty inbox.
    ReadAgain,
    /// The records of this key reach this service when there is nothing else to do.
    Late,
    /// They reach it after all timers have fired, too.
    Last,
    /// The transaction has begun before others that were committed first.
    OldTime,
    /// The relay dies before it has deleted what it has published.
    PublishedTwice,
    /// The provider did it, and its answer does not arrive in time.
    AnswerLost,
    /// The provider cannot be reached; the request reaches it later all the same.
    RequestLate,
    /// The provider tells it a second time, as by a webhook.
    AnsweredTwice,
}

impl Step {
    /// All that can go wrong with it.
    pub const fn faults(self) -> &'static [Fault] {
        match self {
            Self::Handle(..) => &[
                Fault::CrashBeforeCommit,
                Fault::CrashAfterCommit,
                Fault::CrashAfterCommitForgotten,
                Fault::Duplicate,
                Fault::DuplicateForgotten,
                Fault::ReadAgain,
                Fault::Late,
                Fault::Last,
                Fault::OldTime,
            ],
            Self::Relay(_) => &[Fault::PublishedTwice],
            Self::Cancel | Self::Pay => &[Fault::CrashBeforeCommit, Fault::CrashAfterCommit],
            Self::Provider(_) => &[
                Fault::CrashBeforeCommit,
                Fault::AnswerLost,
                Fault::RequestLate,
                Fault::AnsweredTwice,
            ],
            // An order placed again is a repeated request: the idempotency keys' matter.
            Self::Place | Self::Fire | Self::Send => &[Fault::CrashBeforeCommit],
        }
    }
}

/// What is to be otherwise than plain, without any choice.
#[derive(Debug, Clone, Copy, Default)]
pub struct Injection {
    /// The number of a step, and what goes wrong with it.
    pub fault: Option<(usize, Fault)>,
    /// Whenever this service can handle this event, it does so before anything else happens.
    pub first: Option<(Service, EventType)>,
    /// This service handles this event only when there is nothing else to do.
    pub last: Option<(Service, EventType)>,
}
