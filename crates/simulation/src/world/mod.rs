//! One run: all services, topics, customers and the provider, and one thing happening after the other.

mod commands;
mod delivery;
mod enabled;
mod log;
mod opening;
mod provider;
mod transaction;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::rc::Rc;

use ::orders::order::State;
use chrono::{DateTime, TimeDelta, Utc};
use contracts::events::{Event, EventType};
use contracts::ids::{CustomerId, OrderId, Sku};
use uuid::Uuid;

use self::enabled::Action;
pub(crate) use self::opening::KEY;
use self::provider::Call;
use crate::choices::Choices;
use crate::faults::{Fault, Injection, Step};
use crate::invariants;
use crate::plan::Plan;
use crate::provider::Bank;
use crate::services::{Service, States};
use crate::topics::{Reader, Record, Topics};

/// The most that may happen in a run.
const LIMIT: usize = 3_000;

/// What became of a planned order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Placement {
    /// It is not placed yet.
    Waiting,
    /// It is.
    Placed(OrderId),
    /// It cannot be ordered.
    Refused,
}

/// Everything there is.
pub struct World<'c> {
    pub(crate) plan: Plan,
    choices: &'c mut Choices,
    injection: Injection,
    /// Nothing is left to choice and nothing goes wrong.
    plain: bool,
    /// The shop is not open yet.
    opening: bool,
    faults_left: usize,

    /// What the services have stored.
    pub(crate) states: States,
    /// What is published, and what is to be.
    pub(crate) topics: Topics,
    readers: [Reader; 5],
    outboxes: [VecDeque<Rc<Record>>; 5],
    /// Every event that was ever committed, once.
    pub(crate) told: Vec<Rc<Record>>,
    /// Lanes that a service reads later.
    held: Vec<(Service, usize, Fault)>,
    time: DateTime<Utc>,
    /// How far the clock of each service is ahead.
    ahead: [TimeDelta; 5],
    ids: u128,

    outside: VecDeque<Event>,
    stocking: Vec<(usize, u32)>,
    /// The products by their number.
    pub(crate) skus: Vec<Sku>,
    /// What was put into the warehouse of each.
    pub(crate) stocked: Vec<u32>,
    pub(crate) customers: Vec<CustomerId>,
    /// What became of the planned orders.
    pub(crate) placements: Vec<Placement>,
    wishes_done: Vec<Vec<bool>>,
    /// The provider's books.
    pub(crate) bank: Bank,
    calls: Vec<Call>,
    /// Every e-mail that went out.
    pub(crate) mails: Vec<(OrderId, ::notification::notice::Kind, Uuid)>,
    /// What services have handled, of which order.
    pub(crate) heard: BTreeSet<(Service, OrderId, EventType)>,
    /// How each order ended, as first seen.
    pub(crate) ends: BTreeMap<OrderId, State>,

    /// Everything that was done, in order.
    pub(crate) steps: Vec<Step>,
    /// Whether the injected fault has happened.
    pub(crate) injected: bool,
    log: Option<Vec<String>>,
}

impl<'c> World<'c> {
    /// One in which nothing has happened yet.
    pub fn new(plan: Plan, choices: &'c mut Choices, injection: Injection, log: bool) -> Self {
        let mut world = Self {
            injection,
            plain: false,
            opening: false,
            faults_left: choices.pick(12),
            choices,
            states: States::default(),
            topics: Topics::default(),
            readers: Service::ALL.map(|service| Reader::new(service.handles())),
            outboxes: Default::default(),
            told: Vec::new(),
            held: Vec::new(),
            time: DateTime::UNIX_EPOCH + TimeDelta::days(20_000),
            ahead: [TimeDelta::zero(); 5],
            ids: 0,
            outside: VecDeque::new(),
            stocking: plan.stock.iter().copied().enumerate().collect(),
            skus: Vec::new(),
            stocked: vec![0; plan.stock.len()],
            customers: Vec::new(),
            placements: vec![Placement::Waiting; plan.orders.len()],
            wishes_done: plan.orders.iter().map(|order| vec![false; order.wishes.len()]).collect(),
            bank: Bank::default(),
            calls: Vec::new(),
            mails: Vec::new(),
            heard: BTreeSet::new(),
            ends: BTreeMap::new(),
            steps: Vec::new(),
            injected: false,
            log: log.then(Vec::new),
            plan,
        };
        for ahead in &mut world.ahead {
            *ahead = TimeDelta::seconds([0, 0, 0, 600, -600][world.choices.pick(5)]);
        }
        world
    }

    /// Lets everything happen until nothing is left to be done, then checks what must hold. An error
    /// says what does not.
    pub fn run(&mut self) -> Result<(), String> {
        self.open()?;
        self.come_to_rest()?;
        invariants::at_rest(self)?;
        self.read_everything_again()
    }

    fn come_to_rest(&mut self) -> Result<(), String> {
        for _ in 0..LIMIT {
            let actions = self.enabled();
            let choice = if self.plain { 0 } else { self.choices.pick(actions.len()) };
            let Some(action) = actions.get(choice) else { return Ok(()) };
            self.perform(*action)?;
        }
        Err(format!("no rest after {LIMIT} steps"))
    }

    /// Topics that are read from their beginning with empty inboxes change and tell nothing.
    fn read_everything_again(&mut self) -> Result<(), String> {
        self.plain = true;
        self.injection = Injection::default();
        let (states, told, steps) = (self.states.clone(), self.told.len(), self.steps.len());
        for reader in &mut self.readers {
            reader.read_again(&self.topics, None);
            reader.forget_all();
        }
        self.note(|_| "all topics are read again, with empty inboxes".to_owned());
        self.come_to_rest()?;
        self.steps.truncate(steps);
        if let Some(record) = self.told.get(told) {
            return Err(format!("a {} told when all is read again", record.event_type));
        }
        if self.states == states {
            Ok(())
        } else {
            Err("changed when all is read again".to_owned())
        }
    }

    fn perform(&mut self, action: Action) -> Result<(), String> {
        self.time += TimeDelta::milliseconds(1);
        match action {
            Action::Outside => self.outside(),
            Action::Stock(index) => self.stock(index)?,
            Action::Place(order) => self.place(order)?,
            Action::Wish(order, wish) => self.wish(order, wish)?,
            Action::Relay(service) => self.relay(service),
            Action::Deliver(service, lane) => self.deliver(service, lane)?,
            Action::Ask(order) => self.ask(order)?,
            Action::Answer(call) => self.answer(call)?,
            Action::Send(order, kind) => self.send(order, kind),
            Action::Fire(order) => {
                self.fire(order, false)?;
            }
        }
        Ok(())
    }

    /// Notes a step, and decides what goes wrong with it.
    fn fault(&mut self, step: Step) -> Option<Fault> {
        let at = self.steps.len();
        self.steps.push(step);
        let injected = self.injection.fault.filter(|(wanted, _)| *wanted == at);
        if let Some((_, fault)) = injected {
            self.injected = true;
            return Some(fault);
        }
        if self.plain || self.faults_left == 0 {
            return None;
        }
        let faults = step.faults();
        let choice = self.choices.pick(4 * faults.len()).checked_sub(3 * faults.len())?;
        self.faults_left -= 1;
        faults.get(choice).copied()
    }

    /// Whether everything is stored, published, read and answered.
    pub(crate) fn is_quiet(&self) -> bool {
        self.outboxes.iter().all(VecDeque::is_empty) && self.calls.is_empty()
    }
}
