//! A thousand orders that are paid and given up at the same time.

use std::time::Duration;

use contracts::ids::OrderId;
use futures_util::future::join_all;
use payments::payment::Operation::{Authorize, Cancel};
use test_support::{Delivery, eventually};

use crate::shop::*;

const ROUNDS: usize = 20;
/// Orders of each kind in a round.
const AT_ONCE: usize = 25;

/// Pays; whether that was accepted.
async fn pays(shop: &Shop, order: OrderId) -> bool {
    let answer = shop.pay(order, "pm_card_ok").await;
    if answer.status != 202 {
        assert_eq!(answer.problem(), (409, "order-ended", None));
    }
    answer.status == 202
}

/// Half of them name their method: what is told of them comes in any order, and some of it twice. The others
/// are paid while they are given up. Whoever is first: no money stays set aside, and none is taken.
#[tokio::test]
async fn a_thousand_orders_paid_and_given_up_at_once_leave_no_money_behind() {
    let shop = Shop::open_with_partitions(6).await;
    let (mut orders, mut accepted) = (Vec::new(), 0);
    // Finds the moment at which the two meet, whatever the machine.
    let mut delay = Duration::from_millis(10);
    for round in 0..ROUNDS {
        let (named, later) = (new_orders(), new_orders());
        let created = |order, method| Delivery::new(created(order, shop.customer.customer, method));
        let placed = later.iter().flat_map(|o| [created(*o, None), Delivery::new(reserved(*o))]);
        shop.hears(&placed.collect::<Vec<_>>()).await;

        let mut told = Vec::new();
        for (at, order) in named.iter().enumerate() {
            told.push(created(*order, Some("pm_card_ok")));
            told.push(Delivery::new(reserved(*order)));
            told.push(Delivery::new(cancelled(*order)));
            told.push(told[told.len() - 1 - (at + round) % 3].clone());
        }
        told.extend(later.iter().map(|order| Delivery::new(cancelled(*order))));
        // Mixed by the random part of their ids.
        told.sort_by_key(|delivery| delivery.id.as_u64_pair().1);
        let paying = async {
            tokio::time::sleep(delay).await;
            join_all(later.iter().map(|order| pays(&shop, *order))).await
        };
        let ((), paid) = tokio::join!(shop.hears(&told), paying);
        let paid = paid.into_iter().filter(|accepted| *accepted).count();
        delay = delay.mul_f64(if paid > AT_ONCE / 2 { 1.5 } else { 0.7 });
        accepted += paid;
        orders.extend(named.into_iter().chain(later));
    }
    eventually(PATIENCE, async || {
        let ended = shop.count("CANCELLED").await + shop.count("VOIDED").await;
        (usize::try_from(ended) == Ok(orders.len())).then_some(())
    })
    .await;

    assert!((1..ROUNDS * AT_ONCE).contains(&accepted), "{accepted} were accepted: no race");
    let set_aside = orders.iter().map(|order| shop.done(*order)).filter(|done| match done[..] {
        [] => false,
        [Authorize, Cancel] => true,
        _ => panic!("{done:?} for an order that was given up"),
    });
    let set_aside = set_aside.count();
    assert!((accepted..orders.len()).contains(&set_aside), "{set_aside} of {accepted} accepted");
    let broken: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM payments
         WHERE (state = 'VOIDED') <> (reference IS NOT NULL) OR order_end <> 'CANCELLED'
            OR due_at IS NOT NULL",
    )
    .fetch_one(&shop.pool)
    .await
    .unwrap();
    assert_eq!((broken, shop.dead_letters().await), (0, 0));
    shop.service.stop().await.unwrap();
}

fn new_orders() -> Vec<OrderId> {
    (0..AT_ONCE).map(|_| new_order()).collect()
}
