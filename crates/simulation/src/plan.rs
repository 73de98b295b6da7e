//! What customers and the shop want of a run.

use std::fmt;

use contracts::events::EventType;
use payments::sandbox;

use crate::choices::Choices;

/// Enough for all orders.
const PLENTY: u32 = 50;

/// Everything that comes from outside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// The pieces of each product at the beginning; products are called by their number.
    pub stock: Vec<u32>,
    /// Pieces that are added later: of which product how many.
    pub restock: Vec<(usize, u32)>,
    /// The price of the product changes.
    pub repriced: Option<usize>,
    /// The product is taken from the catalogue.
    pub discontinued: Option<usize>,
    /// The orders.
    pub orders: Vec<OrderPlan>,
    /// Whether the shop is open, with prices and stock, before anybody orders.
    pub opens_first: bool,
}

/// One order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderPlan {
    /// Its lines: product and pieces.
    pub lines: Vec<(usize, u32)>,
    /// The payment method it names, if it does.
    pub method: Option<&'static str>,
    /// It is placed after the first order has come so far.
    pub placed: When,
    /// What becomes of it from outside.
    pub wishes: Vec<(When, Wish)>,
}

/// How far an order has come before something happens from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// At any time.
    Any,
    /// After that was stored in its outbox.
    Told(EventType),
    /// While the provider is being asked.
    Asked,
}

/// Something that happens to an order from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wish {
    /// The customer cancels it.
    Cancel,
    /// The customer pays it.
    Pay(&'static str),
    /// Its timer fires, early by everybody else's clock.
    TimerEarly,
}

impl Plan {
    /// One order of one piece, of which there are enough, paid with a good card.
    pub fn plain() -> Self {
        Self {
            stock: vec![5],
            restock: Vec::new(),
            repriced: None,
            discontinued: None,
            orders: vec![OrderPlan::plain()],
            opens_first: true,
        }
    }

    /// Up to five orders for a few pieces.
    pub fn random(choices: &mut Choices) -> Self {
        let mut plan = Self { orders: Vec::new(), ..Self::plain() };
        plan.stock = (0..=choices.pick(2)).map(|_| pieces(choices)).collect();
        let products = plan.stock.len();
        plan.opens_first = !choices.once_in(8);
        if choices.once_in(8) {
            plan.restock.push((choices.pick(products), 1 + small(choices, 3)));
        }
        if choices.once_in(16) {
            plan.repriced = Some(choices.pick(products));
        }
        if choices.once_in(16) {
            plan.discontinued = Some(choices.pick(products));
        }
        loop {
            plan.orders.push(OrderPlan::random(choices, products));
            if plan.orders.len() == 5 || choices.pick(5) < 2 {
                return plan;
            }
        }
    }
}

impl Plan {
    /// Plans that want a little less, the least first.
    pub fn simpler(&self) -> Vec<Self> {
        let mut simpler = Vec::new();
        let mut with = |change: &dyn Fn(&mut Self)| {
            let mut plan = self.clone();
            change(&mut plan);
            if plan != *self {
                simpler.push(plan);
            }
        };
        for at in 0..self.orders.len() {
            if self.orders.len() > 1 {
                with(&|plan| _ = plan.orders.remove(at));
            }
            for wish in 0..self.orders[at].wishes.len() {
                with(&|plan| _ = plan.orders[at].wishes.remove(wish));
            }
            with(&|plan| plan.orders[at].lines.truncate(1));
            with(&|plan| plan.orders[at].lines[0].1 = 1);
            with(&|plan| plan.orders[at].method = Some(sandbox::OK));
        }
        with(&|plan| plan.restock.clear());
        with(&|plan| plan.repriced = None);
        with(&|plan| plan.discontinued = None);
        with(&|plan| plan.opens_first = true);
        with(&|plan| plan.stock.iter_mut().for_each(|pieces| *pieces = PLENTY));
        simpler
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let Self { stock, restock, repriced, discontinued, orders, opens_first } = self;
        write!(f, "stock {stock:?}, more {restock:?}, opens first: {opens_first}")?;
        write!(f, ", repriced {repriced:?}, discontinued {discontinued:?}")?;
        for (number, OrderPlan { lines, method, wishes, .. }) in orders.iter().enumerate() {
            write!(f, "\norder {number}: (product, pieces) {lines:?}, {method:?}, {wishes:?}")?;
        }
        Ok(())
    }
}

impl OrderPlan {
    /// One piece of the first product, paid with a good card.
    pub fn plain() -> Self {
        Self {
            lines: vec![(0, 1)],
            method: Some(sandbox::OK),
            placed: When::Any,
            wishes: Vec::new(),
        }
    }

    fn random(choices: &mut Choices, products: usize) -> Self {
        let line = |choices: &mut Choices| (choices.pick(products), 1 + small(choices, 3));
        let lines = (0..=choices.pick(2)).map(|_| line(choices)).collect();
        let methods =
            [Some(sandbox::OK), Some(sandbox::OK), Some(sandbox::TIMEOUT), None, None, None];
        let method = match choices.pick(7) {
            6 => Some(sandbox::DECLINED),
            known => methods[known],
        };
        let mut wishes = Vec::new();
        let mut wish = |wish| wishes.push((When::Any, wish));
        if method.is_none() {
            for _ in 0..[1, 1, 2, 0][choices.pick(4)] {
                let methods = [sandbox::OK, sandbox::OK, sandbox::TIMEOUT, sandbox::DECLINED];
                wish(Wish::Pay(methods[choices.pick(4)]));
            }
        }
        if choices.once_in(4) {
            wish(Wish::Cancel);
        }
        if choices.once_in(4) {
            wish(Wish::TimerEarly);
        }
        Self { lines, method, placed: When::Any, wishes }
    }
}

/// Plenty is the plain choice; but mostly there is too little for all.
fn pieces(choices: &mut Choices) -> u32 {
    [PLENTY, 0, 1, 2, 3, 4, 5, 6][choices.pick(8)]
}

fn small(choices: &mut Choices, below: usize) -> u32 {
    u32::try_from(choices.pick(below)).unwrap_or(0)
}
