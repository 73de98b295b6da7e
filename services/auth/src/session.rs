//! A session: one sign-in, and the family of refresh tokens that comes of it. Pure.
//!
//! Each refresh token can be used once and is replaced by the next. A token that is used again is
//! in two hands, and nobody can tell which are the right ones: the whole session ends. There is no
//! grace for a client that sends one token twice at once, since that is what a thief does too.

use std::fmt;

use chrono::{DateTime, Utc};
use sha2::{Digest, Sha256};

/// A refresh token: 256 random bits. The database knows its hash alone, and `Debug` not even that.
#[derive(Clone, PartialEq, Eq)]
pub struct RefreshToken(String);

/// What the database knows of a refresh token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, sqlx::Type)]
#[sqlx(transparent)]
pub struct TokenHash([u8; 32]);

impl RefreshToken {
    /// A new one, of random bits.
    pub fn from_random([high, low]: [u128; 2]) -> Self {
        Self(format!("{high:032x}{low:032x}"))
    }

    /// Whatever a client has sent.
    pub fn from_client(text: String) -> Self {
        Self(text)
    }

    /// The text, for the client only.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What is stored. A plain hash: there is nothing to guess about 256 random bits.
    pub fn hash(&self) -> TokenHash {
        TokenHash(Sha256::digest(&self.0).into())
    }
}

impl fmt::Debug for RefreshToken {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("RefreshToken(…)")
    }
}

/// The state of a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// The one token that is good.
    pub live: TokenHash,
    /// When the live token ends, and the session with it.
    pub expires_at: DateTime<Utc>,
    /// Ended before its time.
    pub revoked: bool,
}

/// What a refresh token of the session brings about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presented {
    /// The next token takes its place.
    Rotate,
    /// It was used before: the session is to be revoked.
    Reused,
    /// The session has ended.
    Ended,
}

impl Session {
    /// A token of this session, live or spent, is presented.
    pub fn present(&self, token: TokenHash, now: DateTime<Utc>) -> Presented {
        if self.revoked || now >= self.expires_at {
            Presented::Ended
        } else if token == self.live {
            Presented::Rotate
        } else {
            Presented::Reused
        }
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;
    use proptest::prelude::*;

    use super::*;

    const LIFETIME: TimeDelta = TimeDelta::seconds(100);

    fn token(number: usize) -> TokenHash {
        RefreshToken::from_random([0, number as u128]).hash()
    }

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000 + seconds, 0).unwrap()
    }

    fn session() -> Session {
        Session { live: token(0), expires_at: at(0) + LIFETIME, revoked: false }
    }

    #[test]
    fn tokens_are_64_digits_and_do_not_show() {
        let token = RefreshToken::from_random([1, u128::MAX]);
        assert_eq!(token.as_str(), format!("{}1{}", "0".repeat(31), "f".repeat(32)));
        assert_eq!(format!("{token:?}"), "RefreshToken(…)");
    }

    #[test]
    fn the_hash_is_sha_256_of_the_text() {
        let abc = RefreshToken::from_client("abc".to_owned()).hash();
        assert_eq!(abc.0[..4], [0xba, 0x78, 0x16, 0xbf]);
    }

    #[test]
    fn the_live_token_rotates_until_the_session_ends() {
        assert_eq!(session().present(token(0), at(99)), Presented::Rotate);
        assert_eq!(session().present(token(0), at(100)), Presented::Ended);
        let revoked = Session { revoked: true, ..session() };
        assert_eq!(revoked.present(token(0), at(0)), Presented::Ended);
    }

    #[test]
    fn a_spent_token_is_theft_while_the_session_lasts() {
        assert_eq!(session().present(token(1), at(99)), Presented::Reused);
        assert_eq!(session().present(token(1), at(100)), Presented::Ended);
    }

    proptest! {
        /// Whatever clients do with the tokens they got: each brings at most one successor, and
        /// after one was presented twice none does any more.
        #[test]
        fn no_token_is_good_twice(steps in prop::collection::vec((any::<prop::sample::Index>(), 0_i64..60), 1..60)) {
            let (mut session, mut issued, mut now) = (session(), 1, 0);
            let mut used = Vec::new();
            let mut stolen = false;
            for (choice, pause) in steps {
                now += pause;
                let presented = choice.index(issued);
                match session.present(token(presented), at(now)) {
                    Presented::Rotate => {
                        prop_assert!(!stolen && !used.contains(&presented));
                        used.push(presented);
                        session.live = token(issued);
                        session.expires_at = at(now) + LIFETIME;
                        issued += 1;
                    }
                    Presented::Reused => {
                        prop_assert!(used.contains(&presented));
                        session.revoked = true;
                        stolen = true;
                    }
                    Presented::Ended => {
                        prop_assert!(stolen || at(now) >= session.expires_at);
                    }
                }
            }
        }
    }
}
