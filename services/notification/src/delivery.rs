//! When an e-mail is tried again, and when no more.

use std::time::Duration;

/// How an attempt to send an e-mail ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Attempt {
    /// The mail server, or the folder, has it.
    Sent,
    /// The customer's address is not known yet: it comes on another topic.
    NoAddress,
    /// It may work another time; the text says for the log what happened.
    Later(String),
    /// The mail server will not take it (5xx). Such answers are wrong now and then, so some more
    /// attempts are made.
    Refused(String),
    /// No mail server could take it.
    Impossible(String),
}

/// What is to be done about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// It is done.
    Sent,
    /// Try again after this time.
    Again(Duration),
    /// It will not be sent.
    GivenUp,
}

/// Nobody wants to read that an order was received a week ago.
pub const TOO_OLD: Duration = Duration::from_hours(72);
/// How often an e-mail is tried that the mail server refuses.
pub const MAX_ATTEMPTS_REFUSED: u32 = 5;
const FIRST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_mins(15);
const LONGEST_WAIT_FOR_ADDRESS: Duration = Duration::from_mins(1);

/// Decides what follows an attempt. `attempts` counts this one, too; `age` is that of the
/// notification.
pub fn next(attempt: &Attempt, attempts: u32, age: Duration) -> Next {
    match attempt {
        Attempt::Sent => Next::Sent,
        Attempt::Impossible(_) => Next::GivenUp,
        Attempt::Refused(_) if attempts >= MAX_ATTEMPTS_REFUSED => Next::GivenUp,
        Attempt::NoAddress | Attempt::Later(_) if age >= TOO_OLD => Next::GivenUp,
        // Soon for what is new, since the address is on its way; seldom for what nobody may ever own.
        Attempt::NoAddress => Next::Again((age / 2).clamp(FIRST_WAIT, LONGEST_WAIT_FOR_ADDRESS)),
        Attempt::Later(_) | Attempt::Refused(_) => Next::Again(wait(attempts)),
    }
}

/// 1 s, 4 s, 16 s and so on, up to 15 minutes.
fn wait(attempts: u32) -> Duration {
    let times = 4_u32.saturating_pow(attempts.saturating_sub(1));
    FIRST_WAIT.saturating_mul(times).min(LONGEST_WAIT)
}

impl Attempt {
    /// What happened, for the log.
    pub fn cause(&self) -> &str {
        match self {
            Self::Sent => "sent",
            Self::NoAddress => "the address is not known",
            Self::Later(cause) | Self::Refused(cause) | Self::Impossible(cause) => cause,
        }
    }

    /// Whether the e-mail was handed to somebody.
    pub fn counts(&self) -> bool {
        *self != Self::NoAddress
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NEW: Duration = Duration::ZERO;

    fn refused() -> Attempt {
        Attempt::Refused("550".to_owned())
    }

    fn later() -> Attempt {
        Attempt::Later("421".to_owned())
    }

    #[test]
    fn waits_longer_each_time() {
        let waits = (1..=8).map(|attempts| next(&later(), attempts, NEW));
        let seconds = [1, 4, 16, 64, 256, 900, 900, 900];
        assert!(waits.eq(seconds.map(|seconds| Next::Again(Duration::from_secs(seconds)))));
    }

    #[test]
    fn a_refusal_is_taken_at_its_word_after_some_attempts() {
        assert_eq!(next(&refused(), 4, NEW), Next::Again(Duration::from_secs(64)));
        assert_eq!(next(&refused(), 5, NEW), Next::GivenUp);
        assert_eq!(next(&later(), 5, NEW), Next::Again(Duration::from_secs(256)));
        assert_eq!(next(&Attempt::Impossible(String::new()), 1, NEW), Next::GivenUp);
    }

    #[test]
    fn an_address_is_waited_for_in_proportion() {
        let after = |seconds| next(&Attempt::NoAddress, 0, Duration::from_secs(seconds));
        assert_eq!(after(0), Next::Again(Duration::from_secs(1)));
        assert_eq!(after(30), Next::Again(Duration::from_secs(15)));
        assert_eq!(after(3600), Next::Again(Duration::from_mins(1)));
        assert_eq!(after(72 * 3600), Next::GivenUp);
    }

    fn attempt() -> impl Strategy<Value = Attempt> {
        prop_oneof![
            Just(Attempt::Sent),
            Just(Attempt::NoAddress),
            Just(later()),
            Just(refused()),
            Just(Attempt::Impossible(String::new())),
        ]
    }

    proptest! {
        #[test]
        fn there_is_always_an_end_and_never_a_rush(
            attempt in attempt(), attempts: u32, seconds in 0_u64..=u64::MAX / 4,
        ) {
            let age = Duration::from_secs(seconds);
            match next(&attempt, attempts, age) {
                Next::Sent => prop_assert_eq!(attempt, Attempt::Sent),
                Next::GivenUp => prop_assert_ne!(attempt, Attempt::Sent),
                Next::Again(wait) => {
                    prop_assert!((FIRST_WAIT..=LONGEST_WAIT).contains(&wait));
                    prop_assert!(age < TOO_OLD || attempts < MAX_ATTEMPTS_REFUSED);
                }
            }
        }
    }
}
