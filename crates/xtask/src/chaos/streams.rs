//! Whether customers' streams have told them everything, and nothing else. Pure.

use std::collections::{BTreeMap, BTreeSet};

use crate::audit::kept::Kept;
use crate::audit::{Breach, Violation};
use crate::shop::Change;

/// What customers' streams have told, by their e-mail.
pub type Seen = BTreeMap<String, BTreeSet<Change>>;

/// Compares it with the history of their orders.
pub fn compare(seen: &Seen, kept: &Kept) -> Vec<Violation> {
    let happened = happened(kept);
    let owners: BTreeMap<_, _> =
        kept.orders.iter().map(|(id, order)| (id.to_string(), kept.email_of(order))).collect();
    let nothing = BTreeSet::new();
    let (mut missed, mut foreign, mut untrue) = (Vec::new(), Vec::new(), Vec::new());
    for (email, happened) in &happened {
        let told = seen.get(email).unwrap_or(&nothing);
        missed.extend(happened.difference(told).map(text));
    }
    for (email, told) in seen {
        for change in told.difference(happened.get(email).unwrap_or(&nothing)) {
            let is_theirs = owners.get(&change.order_id).is_some_and(|owner| owner == email);
            if is_theirs { &mut untrue } else { &mut foreign }.push(text(change));
        }
    }
    let violations = [
        Violation::of(
            Breach::MissedSse,
            "a stream tells every change of its customer's orders",
            missed,
        ),
        Violation::of(Breach::ForeignSse, "a stream tells of its customer's orders alone", foreign),
        Violation::of(Breach::ForeignSse, "what a stream tells has happened", untrue),
    ];
    violations.into_iter().flatten().collect()
}

/// What streams have to tell.
fn happened(kept: &Kept) -> Seen {
    let mut happened = Seen::new();
    for (id, order) in &kept.orders {
        let theirs = happened.entry(kept.email_of(order).to_owned()).or_default();
        theirs.extend(order.history.iter().map(|change| Change {
            order_id: id.to_string(),
            status: status(&change.step).to_owned(),
            step: change.step.clone(),
            version: change.version,
            reason: change.reason.clone(),
        }));
    }
    happened
}

/// The status that goes with a step.
fn status(step: &str) -> &str {
    if ["COMPLETED", "FAILED", "CANCELLED"].contains(&step) { step } else { "PENDING" }
}

fn text(change: &Change) -> String {
    format!("version {} of {}, {}", change.version, change.order_id, change.step)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::example::{EMAIL, kept, order_id};

    fn seen() -> Seen {
        happened(&kept())
    }

    fn found(seen: &Seen) -> Vec<(Breach, usize)> {
        compare(seen, &kept()).iter().map(|found| (found.breach, found.count)).collect()
    }

    #[test]
    fn an_order_is_open_until_its_last_step() {
        let seen = seen();
        let id = order_id(3).to_string();
        let told = seen[EMAIL].iter().filter(|change| change.order_id == id);
        let told: BTreeSet<_> = told
            .map(|told| (told.version, &*told.status, &*told.step, told.reason.as_deref()))
            .collect();
        let steps = [
            (1, "PENDING", "CREATED", None),
            (2, "PENDING", "INVENTORY_RESERVED", None),
            (3, "FAILED", "FAILED", Some("PAYMENT_FAILED")),
        ];
        assert_eq!(told, steps.into());
    }

    #[test]
    fn whatever_was_not_told_is_found() {
        assert_eq!(found(&seen()), []);
        for change in &seen()[EMAIL] {
            let mut missing = seen();
            missing.get_mut(EMAIL).unwrap().remove(change);
            assert_eq!(found(&missing), [(Breach::MissedSse, 1)], "{change:?}");
        }
        assert_eq!(found(&Seen::new()), [(Breach::MissedSse, seen()[EMAIL].len())]);
    }

    #[test]
    fn what_is_told_to_others_or_has_not_happened_is_found() {
        let change = seen()[EMAIL].first().unwrap().clone();
        let with = |email: &str, change| {
            let mut seen = seen();
            seen.entry(email.to_owned()).or_default().insert(change);
            found(&seen)
        };
        assert_eq!(with("eve@example.org", change.clone()), [(Breach::ForeignSse, 1)]);
        let unknown = Change { order_id: order_id(99).to_string(), ..change.clone() };
        assert_eq!(with(EMAIL, unknown), [(Breach::ForeignSse, 1)]);
        for untrue in [
            Change { version: 9, ..change.clone() },
            Change { step: "PAYMENT_AUTHORIZED".into(), ..change.clone() },
            Change { status: "FAILED".into(), ..change.clone() },
            Change { reason: Some("EXPIRED".into()), ..change },
        ] {
            assert_eq!(with(EMAIL, untrue.clone()), [(Breach::ForeignSse, 1)], "{untrue:?}");
        }
    }
}
