//! What setting the stock does.

use futures_util::future::join_all;
use test_support::Delivery;

use crate::warehouse::{Answer, Warehouse, created, order};

async fn set(warehouse: &Warehouse, if_match: &str, on_hand: u32) -> Answer {
    let body = format!(r#"{{"onHand":{on_hand}}}"#);
    warehouse.put("A", Some(&warehouse.admin.token), Some(if_match), &body).await
}

#[tokio::test]
async fn a_count_is_told_once() {
    let warehouse = Warehouse::open().await;
    warehouse.stock("A", 5).await;

    let answer = set(&warehouse, "\"2\"", 9).await;
    assert_eq!((answer.status, answer.etag()), (200, "\"3\""));
    assert_eq!(answer.body, warehouse.get("A").await.body);
    let answer = set(&warehouse, "\"3\"", 9).await;
    assert_eq!((answer.status, answer.etag()), (200, "\"3\""), "the same again is no change");
    let answer = set(&warehouse, "\"2\"", 9).await;
    assert_eq!(answer.status, 412);
    assert!(answer.body["detail"].as_str().unwrap().contains("version 3"), "{}", answer.body);
    assert_eq!(set(&warehouse, "\"1\", \"3\"", 1_000_000).await.status, 200);

    let told: Vec<_> =
        warehouse.told_of_stock(&["A"]).await.into_iter().map(|told| (told.1, told.3)).collect();
    assert_eq!(told, [(0, 1), (5, 2), (9, 3), (1_000_000, 4)]);
}

#[tokio::test]
async fn what_orders_hold_stays_on_hand() {
    let warehouse = Warehouse::open().await;
    warehouse.stock("A", 5).await;
    warehouse.hears(&[Delivery::new(created(order(), &[("A", 3)]))]).await;

    let answer = set(&warehouse, "*", 2).await;
    assert_eq!(answer.problem(), (409, "stock-reserved", Some("onHand")));
    assert!(answer.body["detail"].as_str().unwrap().contains("3 pieces"), "{}", answer.body);
    let answer = set(&warehouse, "*", 3).await;
    assert_eq!((answer.status, &answer.body["available"]), (200, &0.into()));
}

#[tokio::test]
async fn of_many_counts_at_one_version_exactly_one_wins() {
    let warehouse = Warehouse::open().await;
    warehouse.stock("A", 5).await;
    for round in 0..5 {
        let etag = warehouse.get("A").await.etag().to_owned();
        let counts = (0..20).map(|n| set(&warehouse, &etag, 100 + 20 * round + n));
        let answers = join_all(counts).await;
        let (won, lost): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| answer.status == 200);
        assert_eq!(won.len(), 1);
        assert!(lost.iter().all(|answer| answer.status == 412));
        assert_eq!(won[0].body, warehouse.get("A").await.body);
    }
    assert_eq!(warehouse.told_of_stock(&["A"]).await.len(), 7);
}

#[tokio::test]
async fn counts_and_orders_at_once_lose_nothing() {
    let warehouse = Warehouse::open().await;
    warehouse.stock("A", 1000).await;
    let orders: Vec<_> = (0..200).map(|_| Delivery::new(created(order(), &[("A", 2)]))).collect();
    let counting = async {
        for n in 0..50 {
            assert_eq!(set(&warehouse, "*", 2000 + n).await.status, 200);
        }
    };
    let ordering = async {
        for batch in orders.chunks(20) {
            warehouse.env.deliver(batch).await;
        }
        warehouse.processed(&orders).await;
    };
    tokio::join!(counting, ordering);
    assert_eq!(warehouse.level("A").await, (2049, 400));
}
