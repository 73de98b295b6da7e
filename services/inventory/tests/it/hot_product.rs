//! A thousand buyers, two replicas, one product that everybody wants.

use std::collections::{BTreeMap, HashMap, HashSet};

use contracts::events::Event;
use contracts::ids::OrderId;
use contracts::topic::Topic;
use test_support::{Delivery, eventually};
use uuid::Uuid;

use crate::warehouse::{
    NO_PRODUCT, PATIENCE, Warehouse, cancelled, completed, created, failed, order, outcome,
    replica, stock_changed,
};

const BUYERS: usize = 1000;
const PIECES: usize = 300;

#[tokio::test]
async fn exactly_as_many_are_sold_as_there_are() {
    let warehouse = Warehouse::with_partitions_of_orders(6).await;
    let second = replica(&warehouse.env, "second").await;
    both_work(&warehouse).await;
    warehouse.stock("hot", 300).await;
    warehouse.stock("other", 1_000_000).await;

    // Half of them want something else as well; each is told of twice.
    let buyers: Vec<OrderId> = (0..BUYERS).map(|_| order()).collect();
    let mut orders = Vec::new();
    for (n, id) in buyers.iter().enumerate() {
        let both = [("hot", 1), ("other", 7)];
        let delivery = Delivery::new(created(*id, &both[..=n % 2]));
        orders.extend([delivery.clone(), delivery]);
    }
    for batch in orders.chunks(150) {
        warehouse.env.deliver(batch).await;
    }
    warehouse.processed(&orders).await;
    let told = outcomes(&warehouse).await;
    let count = |of: &str| told.values().filter(|told| *told == of).count();
    assert_eq!((count("R"), count("O")), (PIECES, BUYERS - PIECES));
    let shares = shares(&warehouse, &buyers).await;
    assert!(shares.len() == 2 && shares.values().all(|share| *share > 50), "{shares:?}");
    assert_eq!(warehouse.level("hot").await, (300, 300));

    // A third of them pays, a third cancels and a third fails, in whatever order that is heard.
    let mut ends = Vec::new();
    let mut paid = 0;
    for (n, id) in buyers.iter().enumerate() {
        let end = match (told[&id.to_string()] == "R", n % 3) {
            (true, 0) => {
                paid += 1;
                Delivery::new(completed(*id))
            }
            (true, 1) => Delivery::new(cancelled(*id)),
            _ => Delivery::new(failed(*id)),
        };
        ends.extend([end.clone(), end.clone(), Delivery::new(end.event)]);
    }
    warehouse.env.deliver(&ends).await;
    warehouse.processed(&ends).await;
    assert_eq!(warehouse.level("hot").await, (300 - paid, 0));
    let told = outcomes(&warehouse).await;
    assert_eq!(told.values().filter(|told| *told == "RF").count() as u64, 300 - paid);

    // Everything once more, from the beginning, to replicas that remember nothing but their states.
    let before = (stored(&warehouse).await, told);
    sqlx::query("TRUNCATE inbox").execute(&second.pool).await.unwrap();
    let all = [orders, ends].concat();
    warehouse.env.deliver(&all).await;
    warehouse.processed(&all).await;
    let told = outcomes(&warehouse).await;
    assert_eq!((stored(&warehouse).await, told), before);
    assert_eq!(warehouse.count_of("dead_letters").await, 0);

    check_levels(&warehouse).await;
    second.stop().await.unwrap();
    warehouse.service.stop().await.unwrap();
}

/// Has each reservation tell which replica made it, and waits until both have made some.
async fn both_work(warehouse: &Warehouse) {
    sqlx::query(
        "ALTER TABLE reservations
         ADD COLUMN made_by text DEFAULT current_setting('application_name')",
    )
    .execute(&warehouse.service.pool)
    .await
    .unwrap();
    eventually(PATIENCE, async || {
        let some: Vec<OrderId> = (0..20).map(|_| order()).collect();
        let some_created: Vec<_> =
            some.iter().map(|id| Delivery::new(created(*id, &[(NO_PRODUCT, 1)]))).collect();
        warehouse.env.deliver(&some_created).await;
        warehouse.processed(&some_created).await;
        (shares(warehouse, &some).await.len() == 2).then_some(())
    })
    .await;
}

/// How many of the orders each replica decided.
async fn shares(warehouse: &Warehouse, orders: &[OrderId]) -> HashMap<String, i64> {
    let ids: Vec<Uuid> = orders.iter().map(|order| order.as_uuid()).collect();
    let rows: Vec<(String, i64)> = sqlx::query_as(
        "SELECT made_by, count(*) FROM reservations WHERE order_id = ANY($1) GROUP BY made_by",
    )
    .bind(ids)
    .fetch_all(&warehouse.service.pool)
    .await
    .unwrap();
    rows.into_iter().collect()
}

/// What was told of each order so far, as the letters of [`outcome`].
async fn outcomes(warehouse: &Warehouse) -> BTreeMap<String, String> {
    let mut told: BTreeMap<String, String> = BTreeMap::new();
    for (order, what, _) in warehouse.told().await.iter().map(outcome) {
        told.entry(order).or_default().push(what);
    }
    told
}

async fn stored(warehouse: &Warehouse) -> HashMap<String, (i32, i32, i64)> {
    let rows: Vec<(String, i32, i32, i64)> =
        sqlx::query_as("SELECT sku, on_hand, reserved, version FROM stock")
            .fetch_all(&warehouse.service.pool)
            .await
            .unwrap();
    rows.into_iter().map(|(sku, a, b, c)| (sku, (a, b, c))).collect()
}

/// Every level that was ever told of was sound, and no version was told of twice.
async fn check_levels(warehouse: &Warehouse) {
    let last = stored(warehouse).await["hot"].2;
    let is_last = |event: &Event| {
        let (sku, _, _, version) = stock_changed(event);
        sku == "hot" && i64::try_from(version).unwrap() == last
    };
    let events = warehouse.env.events(Topic::Stock, |events| events.iter().any(is_last)).await;
    let mut versions = HashSet::new();
    for (sku, on_hand, reserved, version) in events.iter().map(stock_changed) {
        assert!(reserved <= on_hand, "{sku} at {version}");
        assert!(versions.insert((sku, version)));
    }
}
