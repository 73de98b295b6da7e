//! Latencies, counted in a histogram of a fixed size and with three digits.

use std::time::Duration;

use hdrhistogram::Histogram;

use crate::outcome::Latency;

/// The longest that is told apart; longer ones count as this.
const LONGEST: Duration = Duration::from_mins(15);
const DIGITS: u8 = 3;

/// Latencies in microseconds.
#[derive(Debug)]
pub struct Latencies(Histogram<u64>);

impl Latencies {
    /// None yet.
    pub fn new() -> anyhow::Result<Self> {
        Ok(Self(Histogram::new_with_bounds(1, micros(LONGEST), DIGITS)?))
    }

    /// One more.
    pub fn record(&mut self, latency: Duration) {
        self.0.saturating_record(micros(latency));
    }

    /// Half of them, and 99 %, took no longer; in milliseconds.
    pub fn median_and_tail(&self) -> (f64, f64) {
        (self.at(50.0), self.at(99.0))
    }

    /// Forgets them.
    pub fn clear(&mut self) {
        self.0.reset();
    }

    /// What they come to.
    pub fn sum_up(&self) -> Latency {
        if self.0.is_empty() {
            return Latency::default();
        }
        Latency {
            count: self.0.len(),
            mean_ms: self.0.mean() / 1e3,
            p50_ms: self.at(50.0),
            p90_ms: self.at(90.0),
            p99_ms: self.at(99.0),
            p999_ms: self.at(99.9),
            max_ms: millis(self.0.max()),
            distribution: percents().map(|percent| (percent, self.at(percent))).collect(),
        }
    }

    fn at(&self, percent: f64) -> f64 {
        millis(self.0.value_at_percentile(percent))
    }
}

/// Ten steps for each tenth of what is left up to 100 %, down to one in ten thousand.
fn percents() -> impl Iterator<Item = f64> {
    let decades = [100.0, 10.0, 1.0, 0.1];
    let steps = decades
        .into_iter()
        .flat_map(|left: f64| (0..9).map(move |step| 100.0 - left * (1.0 - 0.1 * f64::from(step))));
    steps.chain([99.99])
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

#[allow(clippy::cast_precision_loss, reason = "far below 2^52 microseconds")]
fn millis(micros: u64) -> f64 {
    micros as f64 / 1e3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_those_of_what_was_recorded() {
        let mut latencies = Latencies::new().unwrap();
        for millis in 1..=1000 {
            latencies.record(Duration::from_millis(millis));
        }
        let latency = latencies.sum_up();
        let close = |is: f64, should: f64| assert!((is - should).abs() <= should / 500.0, "{is}");
        assert_eq!(latency.count, 1000);
        close(latency.p50_ms, 500.0);
        close(latency.p99_ms, 990.0);
        close(latency.p999_ms, 999.0);
        close(latency.max_ms, 1000.0);
        assert_eq!(latencies.median_and_tail(), (latency.p50_ms, latency.p99_ms));
    }

    #[test]
    fn what_takes_for_ever_counts_as_the_longest() {
        let mut latencies = Latencies::new().unwrap();
        latencies.record(Duration::MAX);
        assert_eq!(latencies.sum_up().count, 1);
        latencies.clear();
        assert_eq!(latencies.sum_up(), Latency::default());
    }

    #[test]
    fn a_distribution_grows() {
        let percents: Vec<f64> = percents().collect();
        assert!(percents.is_sorted(), "{percents:?}");
        assert_eq!((percents.first(), percents.last()), (Some(&0.0), Some(&99.99)));
    }
}
