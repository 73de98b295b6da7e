//! Short loads that are compared with each other.
//!
//! The machine's speed changes within minutes. So what is compared is measured in turn, in several rounds whose median
//! counts; each load places as many orders, on a system that has come to rest; and rates of loads are compared at one speed
//! of the machine. A load is timed from its first request to its last end, since shorter stretches of it differ by a fifth: in
//! the second in which it fills up and runs empty all loads are alike, which brings a ratio of 0.8 to 0.83 at the most.

use anyhow::Result;

use super::meter::unsigned;
use super::phases::{closed_up_to, measured};
use super::report::Run;
use super::stage::Stage;
use crate::say;

/// The longest that orders may arrive; a lap ends by their number.
const SECONDS: f64 = 120.0;

/// How many orders a lap has.
#[derive(Debug, Clone, Copy)]
pub struct Course {
    pub orders: u64,
}

/// What a lap came to.
#[derive(Debug)]
pub struct Lap {
    pub run: Run,
}

impl Course {
    /// About as many orders as are completed in so many seconds at the rate of the saturation.
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "some number of orders"
    )]
    pub fn new(per_second: f64, seconds: f64) -> Self {
        Self { orders: (per_second * seconds) as u64 }
    }

    /// Pieces of one product of which all are ordered: the last orders find none left.
    pub fn pieces(self) -> u64 {
        self.orders * 19 / 20
    }

    /// Places the orders; for one product, if one is named.
    pub async fn lap(self, stage: &Stage<'_>, sku: Option<String>) -> Result<Lap> {
        let mut plan = closed_up_to(stage, self.orders, SECONDS)?;
        plan.skus = sku.map_or(plan.skus, |sku| vec![sku]);
        Ok(Lap { run: stage.at_rest(Box::pin(measured(stage, &plan))).await? })
    }
}

impl Lap {
    /// Orders that were completed in a second.
    pub fn per_second(&self) -> f64 {
        self.run.outcome.completed_per_second
    }

    /// The same on a machine as fast as takes the load generator a microsecond for an order.
    pub fn at_one_speed(&self) -> f64 {
        self.per_second() * self.slowness()
    }

    /// How slow the machine was: the load generator's processor time for an order, in microseconds. It does the same for
    /// each of a lap.
    pub fn slowness(&self) -> f64 {
        unsigned(self.run.outcome.cpu_micros) / unsigned(self.run.spent.orders.max(1))
    }

    pub fn tell(&self) {
        let (rate, micros) = (self.per_second(), self.slowness());
        say(&format!("  a lap: {rate:.0} orders/s, {micros:.1} µs of the generator for each"));
    }
}

/// The median; 0 of nothing.
pub fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_unstable_by(f64::total_cmp);
    let middle = values.len() / 2;
    match (values.get(middle), values.len() % 2) {
        (None, _) => 0.0,
        (Some(&upper), 0) => f64::midpoint(values[middle - 1], upper),
        (Some(&value), _) => value,
    }
}

#[cfg(test)]
#[allow(clippy::float_cmp, reason = "these are exact")]
mod tests {
    use bench::Outcome;

    use super::super::meter::Spent;
    use super::*;

    #[test]
    fn the_median_is_in_the_middle_whatever_the_order() {
        assert_eq!(median([3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median([4.0, 1.0, 2.0, 3.0]), 2.5);
        assert_eq!(median([]), 0.0);
    }

    #[test]
    fn in_a_lap_on_one_product_the_last_orders_find_none_left() {
        let course = Course::new(1000.0, 5.0);
        assert_eq!((course.orders, course.pieces()), (5000, 4750));
    }

    #[test]
    fn a_machine_of_half_the_speed_completes_half_as_many() {
        let lap = |completed_per_second, cpu_micros| {
            let outcome = Outcome { completed_per_second, cpu_micros, ..Outcome::default() };
            Lap { run: Run::new(outcome, Spent { orders: 2, ..Spent::default() }) }
        };
        assert_eq!(lap(100.0, 80).slowness(), 40.0);
        assert_eq!(lap(100.0, 80).at_one_speed(), lap(50.0, 160).at_one_speed());
    }
}
