//! Makes what fails as simple as it can be.

/// The simplest list of choices that still fails: shorter, then with smaller numbers. Zero is the plain
/// choice, so less of everything happens: fewer orders, fewer faults, fewer steps.
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
    for size in [32, 16, 8, 4, 3, 2, 1] {
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
