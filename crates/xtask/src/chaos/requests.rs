//! Whether what customers were answered is what is kept, and whether it adds up. Pure.

use std::collections::{BTreeMap, BTreeSet};

use contracts::ids::{CustomerId, OrderId, Sku};
use contracts::money::Currency;

use crate::audit::kept::{Kept, Stock};
use crate::audit::{Breach, Violation};

/// The ids that were answered, by the customer's e-mail and the key of the request.
pub type Answers = BTreeMap<(String, String), BTreeSet<String>>;

/// Every order that was accepted is there, once.
pub fn compare(answers: &Answers, kept: &Kept) -> Vec<Violation> {
    let customers: BTreeMap<&str, CustomerId> =
        kept.users.iter().map(|(id, user)| (user.email.as_str(), *id)).collect();
    let (mut lost, mut doubled, mut answered) = (Vec::new(), Vec::new(), BTreeSet::new());
    for ((email, key), ids) in answers {
        let customer = customers.get(email.as_str());
        let under_key = customer.and_then(|customer| kept.keys.get(&(*customer, key.clone())));
        if ids.len() > 1 {
            doubled.push(format!("the key {key} with {} orders", ids.len()));
        }
        for text in ids {
            let id: Option<OrderId> = text.parse().ok();
            let order = id.and_then(|id| kept.orders.get(&id));
            if order.is_none_or(|order| Some(&order.customer) != customer) {
                lost.push(text.clone());
            }
            if under_key != id.as_ref() {
                doubled.push(format!("{text}, not the order under its key {key}"));
            }
            answered.extend(id);
        }
    }
    let unasked = kept.orders.keys().filter(|id| !answered.contains(id)).map(ToString::to_string);
    let violations = [
        Violation::of(Breach::Lost, "an accepted order is kept, as its customer's", lost),
        Violation::of(Breach::Doubled, "a key has one order, at every answer", doubled),
        Violation::of(Breach::Doubled, "no order is there but those answered", unasked.collect()),
    ];
    violations.into_iter().flatten().collect()
}

/// Stock and money add up, to the piece and the cent. `before` is the stock as it was before the first order.
pub fn balance(before: &BTreeMap<Sku, Stock>, kept: &Kept) -> Vec<Violation> {
    let (mut sold, mut earned) = (BTreeMap::<&Sku, u64>::new(), BTreeMap::<Currency, i64>::new());
    for order in kept.orders.values().filter(|order| order.status == "COMPLETED") {
        for line in &order.lines {
            *sold.entry(&line.sku).or_default() += u64::from(line.qty);
        }
        *earned.entry(order.total.currency).or_default() += order.total.minor;
    }
    let mut charged = BTreeMap::<Currency, i64>::new();
    for amount in kept.payments.values().filter(|payment| payment.state == "CAPTURED") {
        if let Some(amount) = amount.amount {
            *charged.entry(amount.currency).or_default() += amount.minor;
        }
    }

    let (mut oversold, mut unbalanced) = (Vec::new(), Vec::new());
    let skus: BTreeSet<&Sku> = kept.stock.keys().chain(sold.keys().copied()).collect();
    for sku in skus {
        let had = before.get(sku).map_or(0, |stock| u64::from(stock.on_hand));
        let has = kept.stock.get(sku).map_or(0, |stock| u64::from(stock.on_hand));
        let sold = sold.get(sku).copied().unwrap_or_default();
        let text = format!("{sku} (had {had}, sold {sold}, has {has})");
        if sold > had {
            oversold.push(text.clone());
        }
        if has + sold != had {
            unbalanced.push(text);
        }
    }
    let money = (earned != charged).then(|| format!("earned {earned:?}, charged {charged:?}"));
    let violations = [
        Violation::of(Breach::Oversold, "no more is sold than there was", oversold),
        Violation::of(
            Breach::Disagreement,
            "stock is what there was less what was sold",
            unbalanced,
        ),
        Violation::of(
            Breach::Disagreement,
            "what was charged is what completed orders cost",
            money.into_iter().collect(),
        ),
        Violation::of(
            Breach::Disagreement,
            "the provider knows a payment by its own id",
            strange_references(kept),
        ),
    ];
    violations.into_iter().flatten().collect()
}

/// Authorisations of another payment. The sandbox remembers nothing: its name of an authorisation ends in the
/// idempotency key it was asked with, and captures and voids are asked for by that name.
fn strange_references(kept: &Kept) -> Vec<String> {
    let payments = kept.payments.iter().filter_map(|(order, payment)| {
        let key = format!("/{}:authorize", payment.id);
        let reference = payment.reference.as_ref()?;
        (!reference.ends_with(&key)).then_some(order)
    });
    payments.map(ToString::to_string).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::example::{EMAIL, kept, order_id};

    fn answers() -> Answers {
        let answer = |number| {
            let key = (EMAIL.to_owned(), format!("key {number}"));
            (key, [order_id(number).to_string()].into())
        };
        (1..=6).map(answer).collect()
    }

    fn breaches(violations: &[Violation]) -> Vec<(Breach, usize)> {
        violations.iter().map(|found| (found.breach, found.count)).collect()
    }

    fn compared(answers: &Answers, kept: &Kept) -> Vec<(Breach, usize)> {
        breaches(&compare(answers, kept))
    }

    #[test]
    fn what_was_answered_is_kept_as_its_customers() {
        assert_eq!(compared(&answers(), &kept()), []);

        let mut lost = kept();
        lost.orders.remove(&order_id(1));
        assert_eq!(compared(&answers(), &lost), [(Breach::Lost, 1)]);

        let mut anothers = kept();
        anothers.orders.get_mut(&order_id(1)).unwrap().customer =
            CustomerId::from_uuid(order_id(1).as_uuid());
        assert_eq!(compared(&answers(), &anothers), [(Breach::Lost, 1)]);
    }

    #[test]
    fn a_key_with_two_orders_is_found_whoever_tells() {
        let first = (EMAIL.to_owned(), "key 1".to_owned());
        let second = order_id(2).to_string();
        let mut told_two = answers();
        told_two.get_mut(&first).unwrap().insert(second.clone());
        assert_eq!(compared(&told_two, &kept()), [(Breach::Doubled, 2)]);

        let mut told_another = answers();
        told_another.insert(first.clone(), [second].into());
        let found = compared(&told_another, &kept());
        assert_eq!(found, [(Breach::Doubled, 1), (Breach::Doubled, 1)], "the first is nobody's");

        let mut untold = answers();
        untold.remove(&first);
        assert_eq!(compared(&untold, &kept()), [(Breach::Doubled, 1)]);

        let mut forgotten = kept();
        forgotten.keys.clear();
        assert_eq!(compared(&answers(), &forgotten), [(Breach::Doubled, 6)]);
    }

    #[test]
    fn stock_and_money_balance() {
        let mug: Sku = "MUG".parse().unwrap();
        let had =
            |on_hand| BTreeMap::from([(mug.clone(), Stock { on_hand, reserved: 0, version: 1 })]);
        let mut kept = kept();
        assert_eq!(breaches(&balance(&had(10), &kept)), []);
        assert_eq!(breaches(&balance(&had(11), &kept)), [(Breach::Disagreement, 1)]);
        let oversold = [(Breach::Oversold, 1), (Breach::Disagreement, 1)];
        assert_eq!(breaches(&balance(&had(1), &kept)), oversold);
        kept.stock.clear();
        assert_eq!(breaches(&balance(&had(2), &kept)), [], "all of it was sold");

        let payment = kept.payments.get_mut(&order_id(1)).unwrap();
        payment.amount.as_mut().unwrap().minor -= 1;
        assert_eq!(breaches(&balance(&had(2), &kept)), [(Breach::Disagreement, 1)]);
    }

    #[test]
    fn an_authorisation_of_another_payment_is_found() {
        let mut kept = kept();
        assert!(strange_references(&kept).is_empty());
        let other = kept.payments[&order_id(5)].reference.clone();
        kept.payments.get_mut(&order_id(1)).unwrap().reference = other;
        assert_eq!(strange_references(&kept), [order_id(1).to_string()]);
    }
}
