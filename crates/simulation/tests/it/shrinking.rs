//! What fails is made simple, and can be had again.

use simulation::choices::Choices;
use simulation::of_list;
use simulation::plan::{OrderPlan, Plan};
use simulation::shrink::{Case, shrink, simplest};

#[test]
fn what_does_not_matter_goes() {
    let list: Vec<u16> = (0..200).map(|n| n % 17).collect();
    let fails = |list: &[u16]| list.iter().filter(|choice| **choice >= 9).count() >= 2;
    assert!(fails(&list));
    let simplest = shrink(list, fails);
    assert_eq!(simplest.len(), 2, "{simplest:?}");
    assert!(fails(&simplest));
}

#[test]
fn what_always_fails_becomes_nothing() {
    assert_eq!(shrink(vec![3, 0, 7, 0], |_| true), Vec::<u16>::new());
}

/// Fails whenever there are two orders, and something may go wrong.
#[test]
fn a_plan_loses_what_does_not_matter() {
    let mut plans = (0..).map(|seed| Plan::random(&mut Choices::of_seed(seed)));
    let plan = plans.find(|plan| plan.orders.len() == 4).unwrap();
    let fails = |plan: &Plan, mut choices: Choices| {
        let faults = choices.pick(12);
        (plan.orders.len() >= 2 && faults >= 1).then(|| choices.made().to_vec())
    };
    let Case { plan, choices } = simplest(Case { plan, choices: vec![9, 4, 4] }, fails);
    assert_eq!(choices, [1]);
    assert_eq!(plan.orders, [OrderPlan::plain(), OrderPlan::plain()]);
}

#[test]
fn the_same_choices_are_the_same_run() {
    let list: Vec<u16> = (0..500).map(|n| n * 79 % 251).collect();
    let (one, other) = (of_list(&list, true), of_list(&list, true));
    assert!(one.log.len() > 10, "{:?}", one.log);
    assert_eq!((one.broken, one.log), (other.broken, other.log));
}
