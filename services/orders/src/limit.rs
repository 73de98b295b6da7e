//! How many orders a customer may place: a bucket of tokens each, which fills in a minute.
//!
//! In memory and of this replica alone: what it guards is the replica's own queue, and a limit that
//! replicas shared would cost each order a write.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use contracts::ids::CustomerId;

/// How long an empty bucket takes to fill.
const FILLING: Duration = Duration::from_mins(1);

/// Buckets kept before full ones are looked for.
const FEW: usize = 1024;

/// The limit with the buckets of this process. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Limit(Arc<Mutex<Buckets>>);

/// The customer has to wait so long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limited(pub Duration);

#[derive(Debug)]
struct Buckets {
    /// How long one token takes.
    token: Duration,
    /// When each bucket will be full again; full ones may be missing. So no more are kept than
    /// orders are placed in a minute.
    full_at: HashMap<CustomerId, Instant>,
    /// How many are kept when full ones are looked for.
    sweep_at: usize,
}

impl Limit {
    /// A limit of so many orders a minute, which may all come at once.
    pub fn new(orders_a_minute: u32) -> Self {
        Self(Arc::new(Mutex::new(Buckets::new(orders_a_minute))))
    }

    /// Counts an order of a customer's, unless there are too many.
    pub fn take(&self, customer: CustomerId, now: Instant) -> Result<(), Limited> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take(customer, now)
    }
}

impl Buckets {
    fn new(tokens: u32) -> Self {
        Self { token: FILLING / tokens.max(1), full_at: HashMap::new(), sweep_at: FEW }
    }

    fn take(&mut self, customer: CustomerId, now: Instant) -> Result<(), Limited> {
        let full_at = self.full_at.get(&customer).map_or(now, |at| now.max(*at)) + self.token;
        let wait = (full_at - now).saturating_sub(FILLING);
        if !wait.is_zero() {
            return Err(Limited(wait));
        }
        if self.full_at.len() >= self.sweep_at {
            self.full_at.retain(|_, full_at| *full_at > now);
            self.sweep_at = FEW.max(2 * self.full_at.len());
        }
        self.full_at.insert(customer, full_at);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;

    fn customer(n: u128) -> CustomerId {
        CustomerId::from_uuid(Uuid::from_u128(n))
    }

    #[test]
    fn so_many_at_once_and_then_one_by_one() {
        let (mut buckets, start) = (Buckets::new(60), Instant::now());
        for _ in 0..60 {
            assert_eq!(buckets.take(customer(1), start), Ok(()));
        }
        assert_eq!(buckets.take(customer(1), start), Err(Limited(Duration::from_secs(1))));
        let later = start + Duration::from_millis(1500);
        assert_eq!(buckets.take(customer(1), later), Ok(()), "being refused costs nothing");
        assert_eq!(buckets.take(customer(1), later), Err(Limited(Duration::from_millis(500))));
        assert_eq!(buckets.take(customer(2), later), Ok(()), "somebody else");
    }

    #[test]
    fn full_buckets_are_forgotten() {
        let (mut buckets, start) = (Buckets::new(60), Instant::now());
        for n in 0..100_000 {
            let now = start + Duration::from_millis(10) * u32::try_from(n).unwrap();
            assert_eq!(buckets.take(customer(n), now), Ok(()));
        }
        assert!(buckets.full_at.len() <= FEW, "{} are kept", buckets.full_at.len());
    }

    proptest! {
        /// In no minute more than a full bucket and what it gains meanwhile; and who waits as long
        /// as told is let in.
        #[test]
        fn never_more_than_the_limit(
            tokens in 1_u32..=100,
            pauses in prop::collection::vec(0_u64..90_000_000, 1..300),
        ) {
            let mut buckets = Buckets::new(tokens);
            let mut now = Instant::now();
            let mut taken = Vec::new();
            for pause in pauses {
                now += Duration::from_micros(pause) / tokens;
                match buckets.take(customer(1), now) {
                    Ok(()) => taken.push(now),
                    Err(Limited(wait)) => {
                        prop_assert!(!wait.is_zero() && wait <= FILLING);
                        now += wait;
                        prop_assert_eq!(buckets.take(customer(1), now), Ok(()));
                        taken.push(now);
                    }
                }
            }
            let most = 2 * usize::try_from(tokens).unwrap() + 1;
            for (at, first) in taken.iter().enumerate() {
                let within = taken[at..].iter().take_while(|time| **time - *first <= FILLING);
                prop_assert!(within.count() <= most);
            }
        }
    }
}
