//! The payment provider: the sandbox's answers, and what they do to money.

use std::collections::{BTreeMap, HashMap};

use contracts::ids::OrderId;
use payments::cause::Answer;
use payments::provider::{Action, Request};
use payments::sandbox;

/// What the provider holds and has taken, by order. It does a thing once under one key.
#[derive(Debug, Default)]
pub struct Bank {
    done: HashMap<String, (Action, Answer)>,
    accounts: BTreeMap<OrderId, Account>,
    held: HashMap<String, (OrderId, i64)>,
    taken: HashMap<String, (OrderId, i64)>,
}

/// The money of one order, in minor units, and how often it was taken.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Account {
    /// Set aside.
    pub held: i64,
    /// Taken.
    pub taken: i64,
    /// How often something was taken.
    pub captures: u32,
    /// How often something was given back.
    pub refunds: u32,
}

impl Bank {
    /// The money of an order.
    pub fn account(&self, order: OrderId) -> Account {
        self.accounts.get(&order).copied().unwrap_or_default()
    }

    /// Does what it is asked, once. An error is what no provider would do.
    pub fn ask(&mut self, request: &Request) -> Result<Answer, String> {
        if let Some((action, answer)) = self.done.get(&request.idempotency_key) {
            if *action != request.action {
                return Err(format!("one key for two requests: {action:?}, {:?}", request.action));
            }
            return Ok(answer.clone());
        }
        let answer = sandbox::answer(request);
        let account = self.accounts.entry(request.order).or_default();
        let none = || format!("nothing there for {:?}", request.action);
        match (&request.action, &answer) {
            (Action::Authorize { .. }, Answer::Authorized { reference }) => {
                account.held += request.amount.minor;
                self.held.insert(reference.clone(), (request.order, request.amount.minor));
            }
            (Action::Authorize { .. }, _) => {}
            (Action::Capture { reference }, _) => {
                let (order, minor) = self.held.remove(reference).ok_or_else(none)?;
                account.held -= minor;
                account.taken += minor;
                account.captures += 1;
                self.taken.insert(reference.clone(), (order, minor));
            }
            (Action::Cancel { reference }, _) => {
                let (_, minor) = self.held.remove(reference).ok_or_else(none)?;
                account.held -= minor;
            }
            (Action::Refund { reference }, _) => {
                let (_, minor) = self.taken.remove(reference).ok_or_else(none)?;
                account.taken -= minor;
                account.refunds += 1;
            }
        }
        let done = (request.action.clone(), answer.clone());
        self.done.insert(request.idempotency_key.clone(), done);
        Ok(answer)
    }
}
