use proptest::prelude::*;

use super::*;

const LIMIT: usize = 10;

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000 + seconds, 0).unwrap()
}

fn counter() -> Counter {
    Counter::new("anything", LIMIT)
}

fn tried(times: impl IntoIterator<Item = i64>) -> Vec<DateTime<Utc>> {
    times.into_iter().fold(Vec::new(), |times, time| counter().add(times, at(time)))
}

#[test]
fn the_eleventh_has_to_wait_for_the_first_to_be_forgotten() {
    let ten = tried((0..10).map(|n| n * 60));
    assert_eq!(counter().check(&ten[..9], at(540)), Ok(()));
    assert_eq!(counter().check(&ten, at(600)), Err(Limited { wait: TimeDelta::minutes(5) }));
    assert_eq!(counter().check(&ten, at(899)), Err(Limited { wait: TimeDelta::seconds(1) }));
    assert_eq!(counter().check(&ten, at(900)), Ok(()));
    let next = counter().add(ten, at(900));
    assert_eq!(next.len(), 10, "the first is forgotten");
    assert_eq!(counter().check(&next, at(900)), Err(Limited { wait: TimeDelta::minutes(1) }));
}

#[test]
fn a_row_that_is_ahead_of_this_transaction_counts() {
    let ten = tried([5; 10]);
    assert_eq!(counter().check(&ten, at(4)), Err(Limited { wait: TimeDelta::seconds(901) }));
    assert_eq!(counter().add(vec![at(5)], at(4)), [at(4), at(5)]);
}

#[test]
fn the_longest_wait_counts() {
    let (few, many) = (vec![at(300)], (0..10).map(at).collect());
    let later = (200..210).map(at).collect();
    let counted = [(&counter(), &few), (&counter(), &later), (&counter(), &many)];
    assert_eq!(check_all(counted, at(300)), Err(Limited { wait: TimeDelta::seconds(800) }));
    assert_eq!(check_all([(&counter(), &few)], at(300)), Ok(()));
}

#[test]
fn accounts_and_addresses_are_counted_apart_and_together() {
    let sign_in = |email: &str, address: [u8; 4]| {
        SignIn::new(&email.parse().unwrap(), address.into()).counters()
    };
    let asha = sign_in("asha@example.org", [192, 0, 2, 1]);
    assert_eq!(asha.map(|counter| counter.limit), [10, 100, 100]);
    let elsewhere = sign_in("asha@example.org", [192, 0, 2, 2]);
    assert!(asha[0] != elsewhere[0] && asha[1] == elsewhere[1] && asha[2] != elsewhere[2]);
    let ravi = sign_in("ravi@example.org", [192, 0, 2, 1]);
    assert!(asha[0] != ravi[0] && asha[1] != ravi[1] && asha[2] == ravi[2]);
}

proptest! {
    #[test]
    fn never_more_than_the_limit_in_any_window(steps in prop::collection::vec((0_i64..300, 0..3), 1..200)) {
        let (mut times, mut now, mut made) = (Vec::new(), 0, Vec::new());
        for (step, beyond) in steps {
            now += step;
            match counter().check(&times, at(now)) {
                Ok(()) => {
                    made.push(at(now));
                    times = counter().add(times, at(now));
                    // Whatever was under way as well: it never lets anybody in sooner.
                    for _ in 0..beyond {
                        times = counter().add(times, at(now));
                    }
                }
                Err(Limited { wait }) => {
                    prop_assert!(wait > TimeDelta::zero() && wait <= WINDOW);
                    let then = at(now) + wait;
                    prop_assert!(counter().check(&times, then).is_ok());
                    prop_assert!(counter().check(&times, then - TimeDelta::microseconds(1)).is_err());
                }
            }
            let recent = made.iter().filter(|&&time| at(now) < time + WINDOW).count();
            prop_assert!(recent <= LIMIT && times.len() <= LIMIT && times.is_sorted());
        }
    }
}
