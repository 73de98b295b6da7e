//! How often something may be tried. Pure: the times of earlier attempts are handed in.

use std::net::IpAddr;

use chrono::{DateTime, TimeDelta, Utc};
use contracts::events::Email;
use sha2::{Digest, Sha256};

/// How many sign-ins of one account may fail from one address in any stretch of [`WINDOW`].
const PER_ACCOUNT_AND_ADDRESS: usize = 10;

/// From all addresses together. Loose, since whoever knows somebody's e-mail address could
/// otherwise lock them out.
const PER_ACCOUNT: usize = 100;

/// Of all accounts together. Loose, since many people may share an address.
const PER_ADDRESS: usize = 100;

/// How long an attempt counts.
pub const WINDOW: TimeDelta = TimeDelta::minutes(15);

/// What attempts are counted for, and how many there may be in any stretch of [`WINDOW`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counter {
    /// A hash, so that what is stored names nobody.
    pub key: [u8; 32],
    limit: usize,
}

/// Too many attempts have been made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limited {
    /// How long until one may be made again; more than zero.
    pub wait: TimeDelta,
}

/// What the failures of a sign-in are counted for: all of them alike whether or not the account
/// exists.
pub struct SignIn {
    /// The account from this address. A success lets it start anew.
    pub here: Counter,
    /// The account from everywhere. A success leaves it as it is: the failures may be somebody
    /// else's.
    pub account: Counter,
    /// The address. A success leaves it as it is, or an account of one's own would lift its limit.
    pub address: Counter,
}

impl SignIn {
    /// The counters of a sign-in.
    pub fn new(email: &Email, address: IpAddr) -> Self {
        // No e-mail address holds a blank, so that no two of these are the same.
        Self {
            here: Counter::new(
                &format!("account {email} address {address}"),
                PER_ACCOUNT_AND_ADDRESS,
            ),
            account: Counter::new(&format!("account {email}"), PER_ACCOUNT),
            address: Counter::new(&format!("address {address}"), PER_ADDRESS),
        }
    }

    /// All of them.
    pub fn counters(&self) -> [Counter; 3] {
        [self.here, self.account, self.address]
    }
}

impl Counter {
    /// Of the sign-ups from an address.
    pub fn sign_ups(address: IpAddr, limit: usize) -> Self {
        Self::new(&format!("sign-ups from {address}"), limit)
    }

    fn new(what: &str, limit: usize) -> Self {
        Self { key: Sha256::digest(what).into(), limit }
    }

    /// Whether one more may be made after those at `times`, oldest first.
    pub fn check(&self, times: &[DateTime<Utc>], now: DateTime<Utc>) -> Result<(), Limited> {
        match times.len().checked_sub(self.limit).map(|last| times[last] + WINDOW) {
            Some(end) if now < end => Err(Limited { wait: end - now }),
            _ => Ok(()),
        }
    }

    /// With one more; without those that no longer matter.
    pub fn add(&self, mut times: Vec<DateTime<Utc>>, now: DateTime<Utc>) -> Vec<DateTime<Utc>> {
        times.retain(|&time| now < time + WINDOW);
        // Whoever waited for the row may have begun earlier than whoever had it.
        times.push(now);
        times.sort_unstable();
        // What was checked at the same time may have failed beyond the limit.
        times.drain(..times.len().saturating_sub(self.limit));
        times
    }
}

/// [`Counter::check`] of each counter with its times; the longest wait counts.
pub fn check_all<'a>(
    counted: impl IntoIterator<Item = (&'a Counter, &'a Vec<DateTime<Utc>>)>,
    now: DateTime<Utc>,
) -> Result<(), Limited> {
    let limited =
        counted.into_iter().filter_map(|(counter, times)| counter.check(times, now).err());
    limited.max_by_key(|limited| limited.wait).map_or(Ok(()), Err)
}

#[cfg(test)]
mod tests;
