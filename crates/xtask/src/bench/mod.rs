//! What the system can do: how long an order takes, how many there can be, what each costs, and how near that is to
//! what any such system could.
//!
//! * `options`: what is asked for; `length`: how long and how much is measured.
//! * `stage`: a stack of its own with customers and stocked products on it.
//! * `generator`: runs `boutique-load`, which places the orders and sees them end.
//! * `meter`: what an order costs: processor time, transactions, bytes, records, and how large batches were.
//! * `phases`: the loads, one after the other; `growth`, `recovery`, `scale`, `ceiling`: those with more to them.
//! * `laps`: short loads that are compared with each other; `rounds`: one product compared with all, and the saturation
//!   with the ceiling.
//! * `rest`: what is brought to an end before a load; `audits`: whether everything adds up after each.
//! * `report`: what is written down, `table`: what is printed of it, `plots`: what is drawn.

mod audits;
mod batches;
mod ceiling;
mod generator;
mod growth;
mod laps;
mod length;
mod meter;
mod options;
mod phases;
mod plots;
mod recovery;
mod report;
mod rest;
mod rounds;
mod scale;
mod stage;
mod table;

use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use bench::{Outcome, StreamsOutcome};
use test_support::stack::checkout;

use self::laps::{Course, Lap, median};
use self::length::Length;
use self::options::Phase;
use self::report::{Growth, Report, Run};
use self::stage::Stage;
use crate::say;

pub use self::options::Options;

/// Measures on stacks of its own, and writes a report with plots to `target/bench`.
///
/// # Errors
///
/// When an order was lost, an audit found something, or requests came to nothing, once the report is written; when not
/// everything could be measured, and when the report cannot be written.
pub async fn command(options: Options) -> Result<()> {
    let seconds = options.length().saturation_seconds;
    ensure!(seconds >= 4.0, "--seconds: {seconds} are too few to measure; at least 4");
    let generator = generator::build().await?;
    let mut bench = Bench {
        begun: Instant::now(),
        length: options.length(),
        report: Report { quick: options.quick, machine: report::machine(), ..Report::default() },
        options,
        generator,
    };
    let measured = bench.measure().await;
    bench.report.seconds = bench.begun.elapsed().as_secs_f64();
    let folder = checkout().join("target/bench");
    let written = bench.report.write(&folder).and_then(|()| plots::draw(&bench.report, &folder));
    table::print(&bench.report);
    if written.is_ok() {
        say(&format!("\nthe report and its plots are in {}", folder.display()));
    }
    // First of all why not everything was measured.
    measured?;
    written?;
    let Report { lost, broken, .. } = &bench.report;
    ensure!(*lost == 0, "{lost} orders were lost");
    ensure!(broken.is_empty(), "{}", broken.join("; "));
    Ok(())
}

struct Bench {
    options: Options,
    length: Length,
    generator: PathBuf,
    begun: Instant,
    report: Report,
}

impl Bench {
    async fn measure(&mut self) -> Result<()> {
        if self.options.only != [Phase::Scale] || self.length.scales_on_stage() {
            let generator = self.generator.clone();
            stage::with(self.length.shape, &generator, async |stage| self.on(stage).await).await?;
        }
        if self.options.asks_for(Phase::Scale) {
            self.scale().await?;
        }
        Ok(())
    }

    async fn on(&mut self, stage: &Stage<'_>) -> Result<()> {
        let length = self.length;
        // What is compiled and cached on the way is not measured.
        let warm_up = phases::closed(stage, length.warm_up_seconds)?;
        say("\nwarming up");
        let run = phases::measured(stage, &warm_up).await?;
        self.account("the warm-up", &run.outcome);
        if self.options.asks_for(Phase::Mixed) {
            let mixed = phases::mixed(stage, &length).await?;
            self.ended(stage, "mixed", &mixed).await?;
            self.report.mixed = Some(mixed);
        }
        if self.options.asks_for(Phase::Events) {
            // Before the many orders: they are compared in memory.
            let broken = stage.audit_events().await?;
            self.found("all that, of the events", broken);
        }
        if self.options.needs_saturation() {
            let run = phases::saturation(stage, &length).await?;
            self.report.cpu_micros_per_order.clone_from(&run.spent.cpu_micros_per_order);
            self.report.peak_rss_mib.clone_from(&run.spent.peak_rss_mib);
            self.ended(stage, "saturation", &run).await?;
            self.report.saturation = Some(run);
        }
        if self.options.asks_for(Phase::Idle) {
            let idle = phases::idle(stage, &length).await?;
            self.ended(stage, "idle", &idle.run).await?;
            self.report.idle = Some(idle);
        }
        if self.options.asks_for(Phase::Paced) {
            let rate = self.saturation()?.outcome.completed_per_second;
            let half = phases::paced(stage, &length, rate * 0.5).await?;
            self.ended(stage, "load50", &half.run).await?;
            self.report.load50 = Some(half);
            let most = phases::paced(stage, &length, rate * 0.8).await?;
            self.ended(stage, "load80", &most.run).await?;
            self.report.load80 = Some(most);
        }
        if self.options.asks_for(Phase::Ceiling) || self.options.asks_for(Phase::HotSku) {
            self.rounds(stage).await?;
        }
        if self.options.asks_for(Phase::Streams) {
            let sse = phases::streams(stage, &length).await?;
            self.ended(stage, "sse", &sse.run).await?;
            self.report.sse = Some(sse);
        }
        self.with_more_to_them(stage).await
    }

    /// The rest: the databases grow behind what is measured without many orders.
    async fn with_more_to_them(&mut self, stage: &Stage<'_>) -> Result<()> {
        let length = self.length;
        if self.options.asks_for(Phase::Recovery) {
            let rate = self.saturation()?.outcome.completed_per_second;
            let recovery = recovery::measure(stage, &length, rate).await?;
            self.account("what was placed meanwhile", &recovery.held);
            self.ended(stage, "recovery", &recovery.run).await?;
            self.report.recovery = Some(recovery);
        }
        if self.options.asks_for(Phase::Growth) {
            self.growth(stage).await?;
        }
        if self.options.asks_for(Phase::Scale) {
            for &(partitions, counts) in length.scale.iter().filter(|(of, _)| length.is_stage(*of))
            {
                self.scale_on(stage, partitions, counts).await?;
            }
        }
        Ok(())
    }

    /// Laps before and behind, between which many finished orders come into the databases.
    async fn growth(&mut self, stage: &Stage<'_>) -> Result<()> {
        let length = self.length;
        let course = self.course(length.grown_seconds)?;
        let (mut before, mut after) = (Vec::new(), Vec::new());
        stage.vacuum().await?;
        for _ in 0..length.grown_laps {
            before.push(self.lap(stage, course, None).await?);
        }
        let orders_before = growth::fill_up(stage, length.grown).await?;
        for _ in 0..length.grown_laps {
            after.push(self.lap(stage, course, None).await?);
        }
        let of = |laps: &[Lap], figure: fn(&Lap) -> f64| median(laps.iter().map(figure));
        let ratio = of(&after, Lap::at_one_speed) / of(&before, Lap::at_one_speed);
        self.report.growth = Some(Growth {
            orders_before,
            ratio,
            per_second: of(&after, Lap::per_second),
            per_second_before: of(&before, Lap::per_second),
            run: after.pop().context("no lap was done")?.run,
        });
        self.audited(stage, "growth").await
    }

    /// For laps of about so many seconds.
    fn course(&self, seconds: f64) -> Result<Course> {
        Ok(Course::new(self.saturation()?.outcome.completed_per_second, seconds))
    }

    /// A short load that is compared with others.
    async fn lap(&mut self, stage: &Stage<'_>, course: Course, sku: Option<String>) -> Result<Lap> {
        let lap = course.lap(stage, sku).await?;
        self.account("a lap", &lap.run.outcome);
        lap.tell();
        Ok(lap)
    }

    /// On stacks of their own, with other numbers of partitions.
    async fn scale(&mut self) -> Result<()> {
        let (length, generator) = (self.length, self.generator.clone());
        let stacks = length.scale.iter().filter(|(of, _)| !length.is_stage(*of));
        let most = stacks.clone().map(|(partitions, _)| *partitions).max();
        for &(partitions, counts) in stacks {
            stage::with(scale::shape(partitions), &generator, async |stage| {
                self.scale_on(stage, partitions, counts).await?;
                // It takes as long as a load: where there is most to mix up.
                if Some(partitions) == most {
                    let broken = stage.audit_events().await?;
                    self.found(&format!("{partitions} partitions, of the events"), broken);
                }
                Ok(())
            })
            .await?;
        }
        Ok(())
    }

    async fn scale_on(
        &mut self,
        stage: &Stage<'_>,
        partitions: i32,
        counts: &[usize],
    ) -> Result<()> {
        for (scale, placed) in scale::measure(stage, &self.length, partitions, counts).await? {
            let phase = format!("{} replicas, {partitions} partitions", scale.replicas);
            for outcome in &placed {
                self.account(&phase, outcome);
            }
            self.report.scale.push(scale);
        }
        self.audited(stage, &format!("{partitions} partitions")).await
    }

    fn saturation(&self) -> Result<&Run> {
        self.report.saturation.as_ref().context("the saturation was not measured")
    }

    /// Tells what a phase came to, and audits the databases.
    async fn ended(&mut self, stage: &Stage<'_>, phase: &str, run: &Run) -> Result<()> {
        table::tell(run);
        self.account(phase, &run.outcome);
        self.audited(stage, phase).await
    }

    /// Audits the databases.
    async fn audited(&mut self, stage: &Stage<'_>, after: &str) -> Result<()> {
        let broken = stage.audit().await?;
        self.found(after, broken);
        Ok(())
    }

    fn found(&mut self, after: &str, broken: Vec<String>) {
        if broken.is_empty() {
            let at = self.begun.elapsed().as_secs();
            say(&format!("{at} s: audited after {after}: nothing is wrong"));
        }
        self.report.audited.push(after.to_owned());
        for broken in broken {
            say(&format!("FAILED: after {after}: {broken}"));
            self.report.broken.push(format!("after {after}: {broken}"));
        }
    }

    fn account(&mut self, phase: &str, outcome: &Outcome) {
        self.report.lost += outcome.lost;
        if outcome.lost > 0 {
            let Outcome { lost, lost_examples, .. } = outcome;
            say(&format!("FAILED: {lost} orders of {phase} never ended: {lost_examples:?}"));
        }
        if let Some(nothing) = came_to_nothing(outcome) {
            say(&format!("FAILED: {phase}: {nothing}"));
            self.report.broken.push(format!("{phase}: {nothing}"));
        }
    }
}

/// Requests that were not accepted, or not answered, and ends that streams have not told. No latency is known of them, so
/// a load in which there are any has looked better than it was.
fn came_to_nothing(outcome: &Outcome) -> Option<String> {
    let Outcome { refused, errors, first_error, streams, .. } = outcome;
    if outcome.refusals() + errors > 0 {
        let error = first_error.as_deref().unwrap_or("none");
        return Some(format!(
            "requests were refused ({refused:?}) or failed ({errors}, the first: {error})"
        ));
    }
    let StreamsOutcome { missed, expected, .. } = streams.as_ref()?;
    (*missed > 0).then(|| format!("streams have not told {missed} of {expected} ends"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_load_with_requests_that_came_to_nothing_is_told() {
        assert_eq!(came_to_nothing(&Outcome::default()), None);
        let refused = Outcome { refused: [(503, 2)].into(), ..Outcome::default() };
        assert!(came_to_nothing(&refused).unwrap().contains("503: 2"));
        let first_error = Some("timed out".to_owned());
        let failed = Outcome { errors: 1, first_error, ..Outcome::default() };
        assert!(came_to_nothing(&failed).unwrap().contains("timed out"));
        let told = |missed| {
            let streams = StreamsOutcome { missed, expected: 9, ..StreamsOutcome::default() };
            came_to_nothing(&Outcome { streams: Some(streams), ..Outcome::default() })
        };
        assert_eq!(told(0), None);
        assert!(told(2).unwrap().contains("2 of 9"));
    }
}
