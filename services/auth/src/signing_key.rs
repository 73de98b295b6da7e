//! Which key signs, and when the next one is made. Pure.
//!
//! A key is published some time before it signs, so that every service has it by then. It signs
//! until the next one does, and is good for checking until the last token it signed has expired.

use chrono::{DateTime, TimeDelta, Utc};

/// How much longer a key may sign than planned, should auth be down when the next one is due.
const SLACK: TimeDelta = TimeDelta::days(1);

/// What clocks, and commits under way, may be late by.
const MARGIN: TimeDelta = TimeDelta::minutes(1);

/// What of a key decides its use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// The `kid` of its tokens.
    pub id: String,
    /// It signs from here on.
    pub not_before: DateTime<Utc>,
    /// No token signed with it is valid after.
    pub expires_at: DateTime<Utc>,
}

/// How keys follow each other.
#[derive(Clone, Copy, Debug)]
pub struct KeyPolicy {
    /// How long a key signs; more than `lead`.
    pub rotation: TimeDelta,
    /// How long a key is published before it signs.
    pub lead: TimeDelta,
    /// How long an access token is valid.
    pub token_lifetime: TimeDelta,
}

/// A new key is to be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rotation {
    /// Of the new key.
    pub not_before: DateTime<Utc>,
    /// Of the new key.
    pub expires_at: DateTime<Utc>,
    /// Of all other keys that would end later: nothing they signed is valid after.
    pub others_expire_at: DateTime<Utc>,
}

impl KeyPolicy {
    /// The key that signs now: the latest that has begun and outlasts the token.
    pub fn signing_key<'a>(
        &self,
        keys: impl IntoIterator<Item = &'a Key>,
        now: DateTime<Utc>,
    ) -> Option<&'a Key> {
        keys.into_iter()
            .filter(|key| key.not_before <= now && now <= self.signs_until(key))
            .max_by_key(|key| (key.not_before, &key.id))
    }

    /// Whether it is time for a new key.
    pub fn rotation_due(&self, keys: &[Key], now: DateTime<Utc>) -> Option<Rotation> {
        let newest = keys.iter().max_by_key(|key| key.not_before);
        let due = match (newest, self.signing_key(keys, now)) {
            (Some(newest), Some(_)) => {
                let planned = newest.not_before + self.rotation;
                planned.min(self.signs_until(newest)) - self.lead <= now
            }
            _ => true,
        };
        due.then(|| self.rotation(keys, now))
    }

    /// A new key, whether it is time or not. It signs after the lead, and at once where no key
    /// can sign until then.
    pub fn rotation(&self, keys: &[Key], now: DateTime<Utc>) -> Rotation {
        let not_before = match self.signing_key(keys, now) {
            Some(_) => {
                let signed_until = keys.iter().map(|key| self.signs_until(key)).max();
                (now + self.lead).min(signed_until.unwrap_or(now))
            }
            None => now,
        };
        Rotation {
            not_before,
            expires_at: not_before
                + self.rotation
                + SLACK
                + self.lead
                + self.token_lifetime
                + MARGIN,
            others_expire_at: not_before + self.token_lifetime + MARGIN,
        }
    }

    fn signs_until(&self, key: &Key) -> DateTime<Utc> {
        key.expires_at - self.token_lifetime
    }
}

#[cfg(test)]
mod tests;
