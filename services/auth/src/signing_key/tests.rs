use proptest::prelude::*;

use super::*;

const POLICY: KeyPolicy = KeyPolicy {
    rotation: TimeDelta::days(30),
    lead: TimeDelta::minutes(5),
    token_lifetime: TimeDelta::minutes(15),
};

fn start() -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000, 0).unwrap()
}

/// What the database does with a rotation.
fn apply(mut keys: Vec<Key>, rotation: Rotation, id: usize) -> Vec<Key> {
    for key in &mut keys {
        key.expires_at = key.expires_at.min(rotation.others_expire_at);
    }
    let Rotation { not_before, expires_at, .. } = rotation;
    keys.push(Key { id: format!("key {id:03}"), not_before, expires_at });
    keys
}

fn first_key() -> Vec<Key> {
    apply(Vec::new(), POLICY.rotation_due(&[], start()).unwrap(), 1)
}

fn signs(keys: &[Key], now: DateTime<Utc>) -> Option<&str> {
    POLICY.signing_key(keys, now).map(|key| key.id.as_str())
}

#[test]
fn the_first_key_signs_at_once() {
    let keys = first_key();
    assert_eq!(keys[0].not_before, start());
    assert_eq!(signs(&keys, start()), Some("key 001"));
    assert_eq!(POLICY.rotation_due(&keys, start()), None);
}

#[test]
fn the_next_key_is_published_ahead_of_its_use() {
    let keys = first_key();
    let due = start() + TimeDelta::days(30) - TimeDelta::minutes(5);
    assert_eq!(POLICY.rotation_due(&keys, due - TimeDelta::seconds(1)), None);

    let next = POLICY.rotation_due(&keys, due).unwrap();
    assert_eq!(next.not_before, start() + TimeDelta::days(30));
    let keys = apply(keys, next, 2);
    assert_eq!(POLICY.rotation_due(&keys, due), None);
    assert_eq!(signs(&keys, next.not_before - TimeDelta::microseconds(1)), Some("key 001"));
    assert_eq!(signs(&keys, next.not_before), Some("key 002"));
    let last_token_ends = next.not_before + TimeDelta::minutes(15);
    assert_eq!(keys[0].expires_at, last_token_ends + TimeDelta::minutes(1));
}

#[test]
fn a_key_signs_on_when_its_successor_is_late() {
    let keys = first_key();
    let late = start() + TimeDelta::days(30) + TimeDelta::hours(20);
    let next = POLICY.rotation_due(&keys, late).unwrap();
    assert_eq!(next.not_before, late + TimeDelta::minutes(5), "published ahead all the same");
    assert_eq!(signs(&keys, next.not_before), Some("key 001"));
}

#[test]
fn after_a_long_absence_a_new_key_signs_at_once() {
    let keys = first_key();
    let later = start() + TimeDelta::days(60);
    assert_eq!(signs(&keys, later), None);
    assert_eq!(POLICY.rotation_due(&keys, later).unwrap().not_before, later);
}

#[test]
fn longer_tokens_bring_a_new_key_where_the_old_one_cannot_sign_them() {
    let keys = first_key();
    let longer = KeyPolicy { token_lifetime: TimeDelta::days(2), ..POLICY };
    let now = start() + TimeDelta::days(29) + TimeDelta::hours(12);
    let next = longer.rotation_due(&keys, now).unwrap();
    assert_eq!(next.not_before, now);
    let keys = apply(keys, next, 2);
    assert_eq!(longer.rotation_due(&keys, now), None);
}

#[test]
fn rotations_by_hand_follow_each_other() {
    let keys = first_key();
    let second = POLICY.rotation(&keys, start());
    let keys = apply(keys, second, 2);
    let third = POLICY.rotation(&keys, start() + TimeDelta::minutes(4));
    let keys = apply(keys, third, 3);
    let minute = |minute| signs(&keys, start() + TimeDelta::minutes(minute));
    assert_eq!(
        [minute(4), minute(5), minute(8)],
        [Some("key 001"), Some("key 002"), Some("key 002")]
    );
    assert_eq!(minute(9), Some("key 003"));
}

#[derive(Clone, Copy, Debug)]
enum Step {
    /// Time passes, with the rotation task looking now and then.
    Wait {
        seconds: i64,
        awake: bool,
    },
    Force,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0_i64..400_000, any::<bool>()).prop_map(|(seconds, awake)| Step::Wait { seconds, awake }),
        1 => Just(Step::Force),
    ]
}

proptest! {
    /// Whenever the task has looked there is a key to sign with, every token is good until it
    /// expires, and a key is published ahead unless there was none to sign with.
    #[test]
    fn tokens_are_good_until_they_expire(
        rotation in 86_400_i64..1_000_000,
        lead in 0_i64..43_200,
        lifetime in 1_i64..86_400,
        steps in prop::collection::vec(step(), 1..60),
    ) {
        let policy = KeyPolicy {
            rotation: TimeDelta::seconds(rotation),
            lead: TimeDelta::seconds(lead),
            token_lifetime: TimeDelta::seconds(lifetime),
        };
        let (mut keys, mut now) = (Vec::new(), start());
        let mut tokens: Vec<(String, DateTime<Utc>)> = Vec::new();
        for (id, step) in steps.into_iter().enumerate() {
            let rotation = match step {
                Step::Wait { seconds, awake } => {
                    now += TimeDelta::seconds(seconds);
                    if awake { policy.rotation_due(&keys, now) } else { None }
                }
                Step::Force => Some(policy.rotation(&keys, now)),
            };
            if let Some(rotation) = rotation {
                let ahead = rotation.not_before - now;
                match policy.signing_key(&keys, now) {
                    None => prop_assert_eq!(ahead, TimeDelta::zero()),
                    Some(_) if ahead < policy.lead => {
                        let before = rotation.not_before;
                        prop_assert!(policy.signing_key(&keys, before).is_some());
                        let after = before + TimeDelta::microseconds(1);
                        prop_assert!(policy.signing_key(&keys, after).is_none());
                    }
                    Some(_) => prop_assert_eq!(ahead, policy.lead),
                }
                keys = apply(keys, rotation, id);
                prop_assert!(policy.rotation_due(&keys, now).is_none(), "once is enough");
                prop_assert!(policy.signing_key(&keys, now).is_some());
            }
            if let Some(key) = policy.signing_key(&keys, now) {
                tokens.push((key.id.clone(), now + policy.token_lifetime));
            }
            for (id, expires_at) in &tokens {
                let key = keys.iter().find(|key| key.id == *id).unwrap();
                prop_assert!(*expires_at <= key.expires_at);
            }
        }
    }
}
