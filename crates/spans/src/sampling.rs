//! Which of the traces that begin here are recorded.

use contracts::trace::TraceId;

/// By the trace's id, so that every process says the same.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sampling {
    /// Ids whose last 63 bits are a smaller number are taken.
    below: u64,
}

impl Sampling {
    /// `ratio` is from 0 to 1; what lies outside is taken for the nearer of the two.
    pub(crate) fn of(ratio: f64) -> Self {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "a share of 2^63, which is exact enough"
        )]
        let below = (ratio.clamp(0.0, 1.0) * (1u64 << 63) as f64) as u64;
        Self { below }
    }

    pub(crate) fn takes(self, trace: TraceId) -> bool {
        let last = u128::from_be_bytes(*trace.as_bytes()) & u128::from(u64::MAX >> 1);
        last < u128::from(self.below)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn about_as_many_are_taken_as_asked_for() {
        let taken = |ratio| {
            let sampling = Sampling::of(ratio);
            // Spread over all ids: the golden ratio's fraction of 2^64, again and again.
            let id = |n: u64| n.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes();
            let trace = |n| {
                let mut bytes = [1; 16];
                bytes[8..].copy_from_slice(&id(n));
                TraceId::from_bytes(bytes)
            };
            (0..10_000).filter(|n| sampling.takes(trace(*n))).count()
        };
        assert_eq!(taken(0.0), 0);
        assert_eq!(taken(1.0), 10_000);
        assert!((90..=110).contains(&taken(0.01)), "{}", taken(0.01));
        assert_eq!(taken(-1.0), 0);
        assert_eq!(taken(2.0), 10_000);
    }
}
