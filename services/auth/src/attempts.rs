//! How often a sign-in may be tried. Pure: the times of earlier attempts are handed in.
//!
//! An attempt counts from its beginning until it has succeeded, so that many at once are not more
//! than the limit either.

use chrono::{DateTime, TimeDelta, Utc};

/// How many attempts may fail in any stretch of [`WINDOW`].
const PER_ACCOUNT: usize = 10;

/// Loose, since many people may share an address.
const PER_ADDRESS: usize = 100;

/// How long an attempt counts.
pub const WINDOW: TimeDelta = TimeDelta::minutes(15);

/// Attempts that have not succeeded, oldest first, whose account and address are the same.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attempts {
    /// Of the account, which may or may not exist.
    pub account: Vec<DateTime<Utc>>,
    /// Of the client's address.
    pub address: Vec<DateTime<Utc>>,
}

/// Too many attempts have failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limited {
    /// How long until one may be made again; more than zero.
    pub wait: TimeDelta,
}

impl Attempts {
    /// Begins one more, unless it is one too many; then nothing is counted.
    pub fn begin(&self, now: DateTime<Utc>) -> Result<Self, Limited> {
        match (one_more(&self.account, PER_ACCOUNT, now), one_more(&self.address, PER_ADDRESS, now))
        {
            (Ok(account), Ok(address)) => Ok(Self { account, address }),
            (Err(limited), Ok(_)) | (Ok(_), Err(limited)) => Err(limited),
            (Err(one), Err(other)) => Err(Limited { wait: one.wait.max(other.wait) }),
        }
    }

    /// The one begun at `at` has succeeded: the account starts anew, the address is only rid of
    /// this one, or an account of one's own would lift its limit.
    #[must_use]
    pub fn succeeded(&self, at: DateTime<Utc>) -> Self {
        let mut address = self.address.clone();
        if let Some(position) = address.iter().position(|&time| time == at) {
            address.remove(position);
        }
        Self { account: Vec::new(), address }
    }
}

fn one_more(
    times: &[DateTime<Utc>],
    limit: usize,
    now: DateTime<Utc>,
) -> Result<Vec<DateTime<Utc>>, Limited> {
    let mut counted: Vec<_> = times.iter().copied().filter(|&time| now < time + WINDOW).collect();
    // Whoever waited for the row may have begun earlier than whoever had it.
    counted.push(now);
    counted.sort_unstable();
    match counted.len().checked_sub(limit + 1) {
        None => Ok(counted),
        Some(too_many) => Err(Limited { wait: counted[too_many] + WINDOW - now }),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000 + seconds, 0).unwrap()
    }

    fn failed(times: impl IntoIterator<Item = i64>) -> Attempts {
        times
            .into_iter()
            .fold(Attempts::default(), |attempts, time| attempts.begin(at(time)).unwrap())
    }

    #[test]
    fn the_eleventh_has_to_wait_for_the_first_to_be_forgotten() {
        let ten = failed((0..10).map(|n| n * 60));
        assert_eq!(ten.begin(at(600)), Err(Limited { wait: TimeDelta::minutes(5) }));
        assert_eq!(ten.begin(at(899)), Err(Limited { wait: TimeDelta::seconds(1) }));
        let eleven = ten.begin(at(900)).unwrap();
        assert_eq!(eleven.account.len(), 10, "the first is forgotten");
        assert_eq!(eleven.begin(at(900)), Err(Limited { wait: TimeDelta::minutes(1) }));
    }

    #[test]
    fn a_success_frees_the_account_and_leaves_the_address_its_failures() {
        let attempts = failed([0, 1, 2]).succeeded(at(2));
        assert_eq!(attempts, Attempts { account: vec![], address: vec![at(0), at(1)] });
    }

    #[test]
    fn an_address_is_limited_over_all_accounts() {
        let mut attempts = Attempts::default();
        for n in 0..100 {
            attempts = Attempts { account: vec![], ..attempts.begin(at(n)).unwrap() };
        }
        assert_eq!(attempts.begin(at(100)), Err(Limited { wait: TimeDelta::seconds(800) }));
    }

    #[test]
    fn the_longer_wait_counts() {
        let attempts =
            Attempts { account: (0..10).map(at).collect(), address: (200..300).map(at).collect() };
        assert_eq!(attempts.begin(at(300)), Err(Limited { wait: TimeDelta::seconds(800) }));
    }

    #[test]
    fn a_row_that_is_ahead_of_this_transaction_counts() {
        let ten = failed([5; 10]);
        assert_eq!(ten.begin(at(4)), Err(Limited { wait: TimeDelta::seconds(900) }));
        assert_eq!(failed([5]).begin(at(4)).unwrap().account, [at(4), at(5)]);
    }

    proptest! {
        #[test]
        fn never_more_than_the_limit_in_any_window(steps in prop::collection::vec(0_i64..300, 1..200)) {
            let (mut attempts, mut now, mut begun) = (Attempts::default(), 0, Vec::new());
            for step in steps {
                now += step;
                match attempts.begin(at(now)) {
                    Ok(next) => {
                        attempts = next;
                        begun.push(at(now));
                    }
                    Err(Limited { wait }) => {
                        prop_assert!(wait > TimeDelta::zero() && wait <= WINDOW);
                        let then = at(now) + wait;
                        prop_assert!(attempts.begin(then).is_ok());
                        prop_assert!(attempts.begin(then - TimeDelta::microseconds(1)).is_err());
                    }
                }
                let recent = begun.iter().filter(|&&time| at(now) < time + WINDOW).count();
                prop_assert!(recent <= PER_ACCOUNT);
                prop_assert!(attempts.account.len() <= PER_ACCOUNT);
            }
        }
    }
}
