//! One product compared with all of them, and the saturation with its ceiling, in turn.

use anyhow::Result;

use super::Bench;
use super::laps::{Lap, median};
use super::options::Phase;
use super::report::{Ceiling, HotSku};
use super::stage::Stage;
use super::{ceiling, table};
use crate::say;

/// Laps on all products, and one on a single product between them.
struct Round {
    before: Lap,
    one: Option<Lap>,
    after: Lap,
}

impl Bench {
    /// In each round a lap on one product between two on all; and the ceiling between the rounds.
    pub(super) async fn rounds(&mut self, stage: &Stage<'_>) -> Result<()> {
        let spent = self.saturation()?.spent.clone();
        let course = self.course(self.length.lap_seconds)?;
        let (mut rounds, mut ceilings) = (Vec::new(), Vec::new());
        for number in 1..=self.length.rounds {
            if number > 1 && self.options.asks_for(Phase::Ceiling) {
                ceilings.push(ceiling::measure(stage, &self.length, &spent).await?);
            }
            say(&format!("\nround {number}, in laps of {} orders", course.orders));
            let before = self.lap(stage, course, None).await?;
            let one = if self.options.asks_for(Phase::HotSku) {
                let sku = stage.stock_of_one(u32::try_from(course.pieces())?).await?;
                Some(self.lap(stage, course, Some(sku)).await?)
            } else {
                None
            };
            let after = self.lap(stage, course, None).await?;
            rounds.push(Round { before, one, after });
        }
        if self.options.asks_for(Phase::Ceiling) {
            self.report.ratio_to_ceiling = Some(reached(&rounds, &ceilings));
            self.report.ceiling = Ceiling::of_rounds(&ceilings);
        }
        self.report.hot_sku = hot_sku(rounds, course.pieces());
        if let Some(hot) = &self.report.hot_sku {
            say("\none product, the last round");
            table::tell(&hot.run);
        }
        self.audited(stage, "the rounds").await
    }
}

/// How much of the ceiling is reached: of each one, by the laps around it; the median of them.
fn reached(rounds: &[Round], ceilings: &[Ceiling]) -> f64 {
    median(ceilings.iter().zip(rounds.windows(2)).map(|(ceiling, around)| {
        f64::midpoint(around[0].after.per_second(), around[1].before.per_second())
            / ceiling.orders_per_second
    }))
}

/// One product against all, where that was measured.
fn hot_sku(rounds: Vec<Round>, pieces: u64) -> Option<HotSku> {
    let mut laps = Vec::new();
    let mut ratios = Vec::new();
    for Round { before, one, after } in rounds {
        let one = one?;
        let all = f64::midpoint(before.at_one_speed(), after.at_one_speed());
        ratios.push(one.at_one_speed() / all);
        laps.push(one);
    }
    Some(HotSku {
        ratio: median(ratios.iter().copied()),
        rounds: ratios,
        sold_per_second: median(laps.iter().map(Lap::per_second)),
        sold_out: laps.iter().all(|lap| lap.run.outcome.completed == pieces),
        on_hand: pieces,
        run: laps.pop()?.run,
    })
}

#[cfg(test)]
mod tests {
    use bench::{Floor, Outcome};

    use super::super::meter::Spent;
    use super::super::report::{BatchSizes, Part, Run};
    use super::*;

    fn lap(completed_per_second: f64, cpu_micros: u64) -> Lap {
        let outcome =
            Outcome { completed_per_second, cpu_micros, completed: 90, ..Outcome::default() };
        Lap { run: Run::new(outcome, Spent { orders: 1, ..Spent::default() }) }
    }

    /// Orders a second, of which one product's were sold on a machine of half the speed.
    fn round(before: f64, one: Option<f64>, after: f64) -> Round {
        Round { before: lap(before, 10), one: one.map(|one| lap(one, 20)), after: lap(after, 10) }
    }

    fn ceiling(micros: f64) -> Ceiling {
        let measured = Floor { orders: 1, seconds: 1.0, cpu_micros: 0, child_cpu_micros: 0 };
        let part = |micros| Part {
            client_micros_per_order: micros,
            server_micros_per_order: 0.0,
            measured,
        };
        let batches = BatchSizes { place: 1, step: 1, records: 1 };
        Ceiling::new([part(micros), part(0.0), part(0.0)], batches)
    }

    #[test]
    fn each_ceiling_is_compared_with_the_laps_around_it() {
        let laps =
            |before, after| Round { before: lap(before, 1), one: None, after: lap(after, 1) };
        // While the machine became four times as slow.
        let rounds = [laps(7.0, 420.0), laps(380.0, 210.0), laps(190.0, 105.0), laps(95.0, 7.0)];
        let ceilings = [ceiling(250.0), ceiling(500.0), ceiling(1_000.0)];
        let share = 400.0 / ceilings[0].orders_per_second;
        for (at, measured) in ceilings.iter().enumerate() {
            let reached = reached(&rounds[at..at + 2], std::slice::from_ref(measured));
            assert!((reached - share).abs() < 1e-9, "{at}: {reached}");
        }
    }

    #[test]
    fn one_product_is_compared_with_all_in_each_round() {
        let rounds = || vec![round(100.0, Some(30.0), 50.0), round(50.0, Some(22.5), 50.0)];
        let hot = hot_sku(rounds(), 90).unwrap();
        assert!((hot.ratio - 0.85).abs() < 1e-9 && hot.sold_out);
        assert_eq!(hot.rounds.len(), 2);
        assert!(!hot_sku(rounds(), 91).unwrap().sold_out);
        assert!(hot_sku(vec![round(1.0, None, 1.0)], 90).is_none());
    }
}
