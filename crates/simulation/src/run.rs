//! One run, from a seed or a scenario to what came of it.

use std::collections::BTreeSet;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

use ::orders::order::State;
use contracts::events::{CancelReason, EventType, OrderFailureReason};

use crate::choices::Choices;
use crate::faults::{Injection, Step};
use crate::plan::Plan;
use crate::scenarios::{End, Scenario};
use crate::shrink::{Case, simplest};
use crate::world::{Placement, World};

/// What came of a run.
#[derive(Debug)]
pub struct Run {
    /// What must hold and does not.
    pub broken: Option<String>,
    /// Everything that was done, in order.
    pub steps: Vec<Step>,
    /// How the orders ended.
    pub ends: Vec<End>,
    /// The types of all events that services told.
    pub told: BTreeSet<EventType>,
    /// Whether the injected fault has happened.
    pub injected: bool,
    /// What happened, line by line, if that was wanted.
    pub log: Vec<String>,
    /// Every choice that was made.
    pub choices: Vec<u16>,
}

/// The run that a seed stands for. An error tells of the simplest one found that fails
/// in its place.
pub fn of_seed(seed: u64) -> Result<Run, Box<Failure>> {
    let mut choices = Choices::of_seed(seed);
    let plan = Plan::random(&mut choices);
    let planned = choices.made().len();
    let run = go(plan.clone(), choices, Injection::default(), false);
    if run.broken.is_none() {
        return Ok(run);
    }
    let case = Case { plan, choices: run.choices[planned..].to_vec() };
    let case = simplest(case, |plan, choices| {
        let run = go(plan.clone(), choices, Injection::default(), false);
        run.broken.map(|_| run.choices)
    });
    let Run { broken, log, .. } =
        go(case.plan, Choices::of_list(&case.choices), Injection::default(), true);
    Err(Box::new(Failure { seed, broken: broken.unwrap_or_default(), log }))
}

/// The run of a list of choices.
pub fn of_list(list: &[u16], log: bool) -> Run {
    let mut choices = Choices::of_list(list);
    let plan = Plan::random(&mut choices);
    go(plan, choices, Injection::default(), log)
}

/// The run of a scenario, plain but for what is injected.
pub fn of_scenario(scenario: &Scenario, injection: Injection, log: bool) -> Run {
    go(scenario.plan.clone(), Choices::plain(), injection, log)
}

fn go(plan: Plan, mut choices: Choices, injection: Injection, log: bool) -> Run {
    let planned = log.then(|| plan.to_string());
    let mut world = World::new(plan, &mut choices, injection, log);
    // A rule that panics is broken as well.
    let broken = catch_unwind(AssertUnwindSafe(|| world.run()))
        .unwrap_or_else(|_| Err("panicked; the message is above".to_owned()))
        .err();
    let mut run = Run {
        broken,
        steps: std::mem::take(&mut world.steps),
        ends: world.placements.iter().filter_map(|placement| end(&world, *placement)).collect(),
        told: world.told.iter().map(|record| record.event_type).collect(),
        injected: world.injected,
        log: planned.into_iter().chain(world.log()).collect(),
        choices: Vec::new(),
    };
    run.choices = choices.made().to_vec();
    run
}

fn end(world: &World, placement: Placement) -> Option<End> {
    let Placement::Placed(id) = placement else { return Some(End::Refused) };
    Some(match world.states.orders.orders.get(&id)?.order.state {
        State::Completed => End::Completed,
        State::Failed(OrderFailureReason::OutOfStock) => End::OutOfStock,
        State::Failed(OrderFailureReason::PaymentFailed) => End::PaymentFailed,
        State::Cancelled(CancelReason::Customer) => End::Cancelled,
        State::Cancelled(CancelReason::Expired) => End::Expired,
        _ => return None,
    })
}

/// A seed whose run breaks a rule.
#[derive(Debug)]
pub struct Failure {
    /// The seed.
    pub seed: u64,
    /// What does not hold in the simplest run.
    pub broken: String,
    /// What happens in it.
    pub log: Vec<String>,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        writeln!(f, "seed {} fails. The simplest run found that fails:", self.seed)?;
        for line in &self.log {
            writeln!(f, "  {}", line.replace('\n', "\n  "))?;
        }
        writeln!(f, "broken: {}", self.broken)?;
        write!(f, "again: SIMULATION_SEEDS={} cargo test -p simulation seeds", self.seed)
    }
}
