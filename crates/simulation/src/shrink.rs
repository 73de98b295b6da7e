//! Makes what fails as simple as it can be.

use crate::choices::Choices;
use crate::plan::Plan;

/// How many courses of a simpler plan are tried before it is taken to hold.
const TRIES: u64 = 200;

/// Something that fails: what was wanted, and what happened then.
#[derive(Debug, Clone)]
pub struct Case {
    /// What comes from outside.
    pub plan: Plan,
    /// What was left to choice.
    pub choices: Vec<u16>,
}

/// The simplest case found that fails: with fewer orders and wishes, then with fewer faults, then
/// shorter. `fails` runs one, and returns the choices that were made if it fails.
///
/// A simpler plan needs other choices to fail, so many are tried: a run takes a fraction of a millisecond.
pub fn simplest(mut case: Case, fails: impl Fn(&Plan, Choices) -> Option<Vec<u16>>) -> Case {
    let any = |plan: &Plan, first: u16| {
        (0..TRIES).find_map(|seed| fails(plan, Choices::of_seed_after(first, seed)))
    };
    while let Some(simpler) = case.plan.simpler().into_iter().find_map(|plan| {
        let choices = fails(&plan, Choices::of_list(&case.choices))
            .or_else(|| any(&plan, case.choices.first().copied().unwrap_or(0)))?;
        Some(Case { plan, choices })
    }) {
        case = simpler;
    }
    // The first choice of a run is how much may go wrong.
    let faults = case.choices.first().copied().unwrap_or(0);
    if let Some(fewer) = (0..faults).find_map(|faults| any(&case.plan, faults)) {
        case.choices = fewer;
    }
    case.choices = shrink(case.choices, |list| fails(&case.plan, Choices::of_list(list)).is_some());
    case
}

/// The simplest list of choices that still fails: shorter, then with smaller numbers. Zero is the plain
/// choice, so less of everything happens.
pub fn shrink(list: Vec<u16>, mut fails: impl FnMut(&[u16]) -> bool) -> Vec<u16> {
    let mut best = without_end(list);
    loop {
        let before = best.clone();
        shorten(&mut best, &mut fails);
        leave_out(&mut best, &mut fails);
        lower(&mut best, &mut fails);
        if best == before {
            return best;
        }
    }
}

/// Zeros at the end say nothing.
fn without_end(mut list: Vec<u16>) -> Vec<u16> {
    while list.last() == Some(&0) {
        list.pop();
    }
    list
}

fn shorten(best: &mut Vec<u16>, fails: &mut impl FnMut(&[u16]) -> bool) {
    let mut cut = best.len();
    while cut > 0 {
        let shorter = best.get(..best.len().saturating_sub(cut)).unwrap_or_default();
        if shorter.len() < best.len() && fails(shorter) {
            *best = without_end(shorter.to_vec());
        } else {
            cut /= 2;
        }
    }
}

fn leave_out(best: &mut Vec<u16>, fails: &mut impl FnMut(&[u16]) -> bool) {
    for size in [32, 16, 8, 5, 4, 3, 2, 1] {
        let mut end = best.len();
        while end >= size {
            let mut shorter = best.clone();
            shorter.drain(end - size..end);
            if fails(&shorter) {
                *best = without_end(shorter);
            }
            end = (end - 1).min(best.len());
        }
    }
}

fn lower(best: &mut Vec<u16>, fails: &mut impl FnMut(&[u16]) -> bool) {
    for at in 0..best.len() {
        for value in [0, 1, best.get(at).map_or(0, |value| value / 2)] {
            let Some(&now) = best.get(at) else { break };
            if value < now {
                let mut lower = best.clone();
                lower[at] = value;
                if fails(&lower) {
                    *best = lower;
                }
            }
        }
    }
    *best = without_end(std::mem::take(best));
}
