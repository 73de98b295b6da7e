//! Every fault at every step. What a service handles and what is published is asked of the services and
//! the contracts, so that a new step is tried, or missed, without anybody thinking of it.

use std::collections::BTreeSet;

use contracts::events::EventType;
use simulation::faults::{Injection, Step};
use simulation::of_scenario;
use simulation::scenarios::{Scenario, all};
use simulation::services::Service;

/// No order is completed and then given up: the judge decides once. So no capture is ever given back.
const NEVER: &[EventType] = &[EventType::PaymentRefunded];

/// Runs a scenario with something injected; must hold, and the fault must have happened.
fn hold(scenario: &Scenario, injection: Injection) {
    let run = of_scenario(scenario, injection, false);
    if let Some(broken) = run.broken {
        let log = of_scenario(scenario, injection, true).log.join("\n  ");
        panic!("an order that {}, with {injection:?}:\n  {log}\nbroken: {broken}", scenario.name);
    }
    assert!(injection.fault.is_none() || run.injected, "{}: {injection:?}", scenario.name);
}

fn steps(scenario: &Scenario) -> Vec<Step> {
    of_scenario(scenario, Injection::default(), false).steps
}

#[test]
fn scenarios_end_as_they_should() {
    for scenario in all() {
        hold(&scenario, Injection::default());
        let ends = of_scenario(&scenario, Injection::default(), false).ends;
        assert_eq!(ends, scenario.ends, "an order that {}", scenario.name);
    }
}

#[test]
fn every_fault_at_every_step_of_every_scenario() {
    let mut tried = 0;
    for scenario in all() {
        for (at, step) in steps(&scenario).into_iter().enumerate() {
            for &fault in step.faults() {
                hold(&scenario, Injection { fault: Some((at, fault)), ..Injection::default() });
                tried += 1;
            }
        }
    }
    println!("{tried} faults");
}

#[test]
fn every_step_of_every_scenario_first_and_last() {
    for scenario in all() {
        for step in steps(&scenario) {
            if let Step::Handle(service, event_type) = step {
                let this = Some((service, event_type));
                hold(&scenario, Injection { first: this, ..Injection::default() });
                hold(&scenario, Injection { last: this, ..Injection::default() });
            }
        }
    }
}

#[test]
fn every_step_is_reached() {
    let steps: Vec<Step> = all().iter().flat_map(steps).collect();
    for service in Service::ALL {
        for &event_type in service.handles() {
            let step = Step::Handle(service, event_type);
            assert!(steps.contains(&step), "no scenario in which {service:?} handles {event_type}");
        }
    }
}

#[test]
fn every_event_is_told() {
    let told: BTreeSet<EventType> = all()
        .iter()
        .flat_map(|scenario| of_scenario(scenario, Injection::default(), false).told)
        .collect();
    for &event_type in EventType::ALL {
        let of_the_saga =
            Service::ALL.iter().any(|service| service.name() == event_type.topic().producer());
        let expected = of_the_saga && !NEVER.contains(&event_type);
        assert_eq!(told.contains(&event_type), expected, "{event_type}");
    }
}
