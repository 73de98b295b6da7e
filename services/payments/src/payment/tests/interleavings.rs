//! Facts and answers in any order and any number, and what must hold all the same.

use super::*;

/// A provider that does a thing once, however often it is asked, as its idempotency keys promise.
#[derive(Debug, Default)]
struct Ledger {
    declines: bool,
    /// Minor units set aside, and taken.
    held: i64,
    charged: i64,
    done: Vec<(Operation, Answer)>,
}

impl Ledger {
    fn ask(&mut self, operation: Operation, amount: i64) -> Answer {
        if let Some((_, answer)) = self.done.iter().find(|(done, _)| *done == operation) {
            return answer.clone();
        }
        let answer = match operation {
            Operation::Authorize if self.declines => {
                Answer::Declined(PaymentFailureReason::CardDeclined)
            }
            Operation::Authorize => {
                self.held += amount;
                Answer::Authorized { reference: "ref".to_owned() }
            }
            Operation::Capture => {
                self.held -= amount;
                self.charged += amount;
                Answer::Captured
            }
            Operation::Cancel => {
                self.held -= amount;
                Answer::Cancelled
            }
            Operation::Refund => {
                self.charged -= amount;
                Answer::Refunded
            }
        };
        self.done.push((operation, answer.clone()));
        answer
    }
}

#[derive(Debug, Clone, Copy)]
enum Step {
    Placed,
    Reserved,
    Chosen,
    Ended(OrderEnd),
    /// The provider does what it is asked, and its answer arrives.
    Answered,
    /// It does it, and its answer is lost.
    Lost,
    /// An earlier answer arrives once more.
    Again(usize),
}

#[derive(Debug)]
struct World {
    payment: Payment,
    ledger: Ledger,
    told: Vec<Event>,
    ends: Vec<OrderEnd>,
    named: Option<&'static str>,
}

impl World {
    fn new(declines: bool, named: Option<&'static str>) -> Self {
        let ledger = Ledger { declines, ..Ledger::default() };
        Self { payment: new(), ledger, told: Vec::new(), ends: Vec::new(), named }
    }

    fn hear(&mut self, cause: Cause) {
        if let Cause::OrderEnded(end) = cause {
            self.ends.push(end);
        }
        let version = self.payment.version;
        if let Some(decision) = decide(&self.payment, cause, trace(1), now()) {
            self.payment = decision.payment;
            self.told.extend(decision.event);
            assert_eq!(self.payment.version, version + 1);
        }
        let waits = self.payment.state.operation().is_some();
        assert_eq!(self.payment.due_at.is_some(), waits, "{:?}", self.payment);
    }

    fn ask(&mut self) -> Option<(Operation, Answer)> {
        let operation = self.payment.state.operation()?;
        let amount = self.payment.bill.unwrap().amount.minor;
        if operation == Operation::Capture {
            assert!(self.ends.contains(&OrderEnd::Completed), "captured without a completed order");
        }
        Some((operation, self.ledger.ask(operation, amount)))
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Placed => self.hear(placed(self.named)),
            Step::Reserved => self.hear(Cause::StockReserved),
            Step::Chosen => {
                let wish = pay(&self.payment, "pm_card_ok", trace(1), now());
                if let Ok(Some(decision)) = wish {
                    self.payment = decision.payment;
                }
            }
            Step::Ended(end) => self.hear(Cause::OrderEnded(end)),
            Step::Answered => {
                if let Some((_, answer)) = self.ask() {
                    self.hear(Cause::Answered(answer));
                }
            }
            Step::Lost => {
                if let Some((operation, _)) = self.ask() {
                    self.hear(Cause::Unanswered(operation));
                }
            }
            Step::Again(index) => {
                if !self.ledger.done.is_empty() {
                    let (_, answer) = &self.ledger.done[index % self.ledger.done.len()];
                    self.hear(Cause::Answered(answer.clone()));
                }
            }
        }
    }

    /// All facts have arrived, and the provider answers whatever it is still asked.
    fn settle(&mut self) {
        for step in [Step::Placed, Step::Reserved] {
            self.take(step);
        }
        for _ in 0..4 {
            self.take(Step::Answered);
        }
    }

    fn told(&self, name: &str) -> usize {
        self.told.iter().filter(|event| event.event_type().name() == name).count()
    }

    fn check(&self) {
        let Self { payment, ledger, .. } = self;
        let amount = bill().amount.minor;
        for name in ["PaymentAuthorized", "PaymentFailed", "PaymentCaptured", "PaymentVoided"] {
            assert!(self.told(name) <= 1, "{name} twice: {self:?}");
        }
        let given_up = self.ends.iter().any(|end| end.gives_up());
        let completed = self.ends.contains(&OrderEnd::Completed);
        let expected = match payment.state {
            State::Authorized => (amount, 0),
            State::Captured => (0, amount),
            _ => (0, 0),
        };
        assert_eq!((ledger.held, ledger.charged), expected, "{self:?}");
        assert_eq!(payment.due_at, None, "something is still to be asked: {self:?}");
        assert!(!(given_up && ledger.held + ledger.charged > 0), "money of a lost order: {self:?}");
        if completed || given_up {
            assert_ne!(payment.state, State::Authorized, "an end was not heeded: {self:?}");
            assert_ne!(payment.state, State::Awaiting, "an end was not heeded: {self:?}");
        }
        if ledger.declines {
            assert!(self.told("PaymentAuthorized") + self.told("PaymentCaptured") == 0, "{self:?}");
        }
    }
}

fn end() -> impl Strategy<Value = OrderEnd> {
    prop::sample::select(vec![OrderEnd::Completed, OrderEnd::Failed, OrderEnd::Cancelled])
}

fn common() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => Just(Step::Placed),
        3 => Just(Step::Reserved),
        3 => Just(Step::Chosen),
        4 => Just(Step::Answered),
        2 => Just(Step::Lost),
        2 => any::<usize>().prop_map(Step::Again),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    /// Whatever is claimed to have ended how often.
    #[test]
    fn no_order_of_causes_leaves_money_where_it_should_not_be(
        declines: bool,
        named in prop::option::of(Just("pm_card_ok")),
        steps in prop::collection::vec(
            prop_oneof![5 => common(), 1 => end().prop_map(Step::Ended)],
            0..25,
        ),
    ) {
        let mut world = World::new(declines, named);
        for step in steps {
            world.take(step);
        }
        world.settle();
        world.check();
    }

    /// As it really is: one end, and a completed one only after the authorisation was told.
    #[test]
    fn with_one_judge_a_completed_order_is_charged_once_and_any_other_never(
        declines: bool,
        named in prop::option::of(Just("pm_card_ok")),
        steps in prop::collection::vec(common(), 0..25),
        end in end(),
        end_at in 0_usize..25,
    ) {
        let mut world = World::new(declines, named);
        for (at, step) in steps.into_iter().enumerate() {
            if at >= end_at && (end.gives_up() || world.told("PaymentAuthorized") > 0) {
                world.take(Step::Ended(end));
            }
            world.take(step);
        }
        world.settle();
        if end.gives_up() || world.told("PaymentAuthorized") > 0 {
            world.take(Step::Ended(end));
        }
        world.settle();
        world.check();
        let charged = world.told("PaymentAuthorized") > 0 && end == OrderEnd::Completed;
        let expected = if charged { bill().amount.minor } else { 0 };
        prop_assert_eq!(world.ledger.charged, expected);
        prop_assert_eq!(world.told("PaymentRefunded"), 0);
        let voids = world.told("PaymentVoided");
        if end.gives_up() && world.told("PaymentAuthorized") > 0 {
            prop_assert_eq!(voids, 1);
        }
    }
}
