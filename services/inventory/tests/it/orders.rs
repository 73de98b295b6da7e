//! What becomes of the stock as orders come and end.

use test_support::Delivery;

use crate::warehouse::{Warehouse, cancelled, completed, created, failed, is, order, outcome};

/// The event, delivered twice under its id, and told once more under another.
fn repeated(event: impl Into<contracts::events::Event>) -> Vec<Delivery> {
    let first = Delivery::new(event);
    let again = Delivery::new(first.event.clone());
    vec![first.clone(), first, again]
}

#[tokio::test]
async fn an_order_is_reserved_and_completed_each_step_twice() {
    let warehouse = Warehouse::open().await;
    warehouse.stock("A", 5).await;
    warehouse.stock("B", 5).await;
    let id = order();

    warehouse.hears(&repeated(created(id, &[("B", 1), ("A", 2), ("B", 1)]))).await;
    assert_eq!((warehouse.level("A").await, warehouse.level("B").await), ((5, 2), (5, 2)));
    warehouse.hears(&repeated(completed(id))).await;
    assert_eq!((warehouse.level("A").await, warehouse.level("B").await), ((3, 0), (3, 0)));
    assert_eq!(warehouse.status(id).await.as_deref(), Some("DEDUCTED"));

    let told: Vec<_> = warehouse.told().await.iter().map(outcome).collect();
    assert_eq!(told, [is(id, 'R', &[("A", 2), ("B", 2)])]);
    let told = warehouse.told_of_stock(&["A", "B"]).await;
    let of = |sku: &str| -> Vec<_> {
        told.iter().filter(|told| told.0 == sku).map(|told| (told.1, told.2, told.3)).collect()
    };
    assert_eq!(of("A"), [(0, 0, 1), (5, 0, 2), (5, 2, 3), (3, 0, 4)]);
    assert_eq!(of("B"), [(0, 0, 1), (5, 0, 2), (5, 2, 3), (3, 0, 4)]);
}

#[tokio::test]
async fn an_order_that_ends_otherwise_gives_its_stock_back_each_step_twice() {
    let warehouse = Warehouse::open().await;
    warehouse.stock("A", 5).await;
    let (first, second) = (order(), order());

    warehouse.hears(&repeated(created(first, &[("A", 2)]))).await;
    warehouse.hears(&repeated(created(second, &[("A", 3)]))).await;
    assert_eq!(warehouse.level("A").await, (5, 5));
    warehouse.hears(&repeated(cancelled(first))).await;
    warehouse.hears(&repeated(failed(second))).await;
    assert_eq!(warehouse.level("A").await, (5, 0));

    let told: Vec<_> = warehouse.told().await.iter().map(outcome).collect();
    let expected = [
        is(first, 'R', &[("A", 2)]),
        is(second, 'R', &[("A", 3)]),
        is(first, 'F', &[("A", 2)]),
        is(second, 'F', &[("A", 3)]),
    ];
    assert_eq!(told, expected);
}

#[tokio::test]
async fn all_lines_or_none_each_step_twice() {
    let warehouse = Warehouse::open().await;
    warehouse.stock("A", 5).await;
    warehouse.stock("B", 1).await;
    let (short, unknown) = (order(), order());

    warehouse.hears(&repeated(created(short, &[("A", 1), ("B", 2)]))).await;
    warehouse.hears(&repeated(created(unknown, &[("A", 1), ("Z", 1)]))).await;
    warehouse.hears(&repeated(failed(short))).await;
    warehouse.hears(&repeated(cancelled(unknown))).await;
    assert_eq!((warehouse.level("A").await, warehouse.level("B").await), ((5, 0), (1, 0)));
    assert_eq!(warehouse.status(short).await.as_deref(), Some("REJECTED"));

    let told: Vec<_> = warehouse.told().await.iter().map(outcome).collect();
    assert_eq!(told, [is(short, 'O', &[("B", 0)]), is(unknown, 'O', &[("Z", 0)])]);
    assert_eq!(warehouse.count_of("dead_letters").await, 0, "an ordinary outcome is no error");
}

#[tokio::test]
async fn an_end_before_its_order_reserves_nothing() {
    let warehouse = Warehouse::open().await;
    warehouse.stock("A", 5).await;
    let (gone, lost) = (order(), order());

    warehouse.hears(&repeated(cancelled(gone))).await;
    warehouse.hears(&repeated(failed(lost))).await;
    warehouse.hears(&repeated(created(gone, &[("A", 1)]))).await;
    warehouse.hears(&repeated(created(lost, &[("A", 1)]))).await;

    assert_eq!(warehouse.level("A").await, (5, 0));
    assert_eq!(warehouse.told().await, []);
}

#[tokio::test]
async fn late_events_change_nothing() {
    let warehouse = Warehouse::open().await;
    warehouse.stock("A", 5).await;
    let (done, gone) = (order(), order());
    warehouse.hears(&[Delivery::new(created(done, &[("A", 1)]))]).await;
    warehouse.hears(&[Delivery::new(created(gone, &[("A", 1)]))]).await;
    warehouse.hears(&[Delivery::new(completed(done))]).await;
    warehouse.hears(&[Delivery::new(failed(gone))]).await;
    let told = warehouse.told().await;
    let told_of_stock = warehouse.told_of_stock(&["A"]).await;

    for id in [done, gone] {
        warehouse.hears(&[Delivery::new(cancelled(id)), Delivery::new(failed(id))]).await;
        warehouse.hears(&[Delivery::new(completed(id))]).await;
        warehouse.hears(&[Delivery::new(created(id, &[("A", 1)]))]).await;
    }
    assert_eq!(warehouse.level("A").await, (4, 0));
    assert_eq!(warehouse.told().await, told);
    assert_eq!(warehouse.told_of_stock(&["A"]).await, told_of_stock);
}

#[tokio::test]
async fn what_happens_in_one_batch_is_folded_and_told_once_of_each_product() {
    let warehouse = Warehouse::open().await;
    warehouse.stock("A", 10).await;
    let orders: Vec<_> = (0..6).map(|_| order()).collect();
    // While this transaction holds the stock, the service waits with its first record; those behind it
    // pile up and become one batch.
    let mut holding = warehouse.service.pool.begin().await.unwrap();
    sqlx::query("SELECT FROM stock WHERE sku = 'A' FOR UPDATE")
        .execute(&mut *holding)
        .await
        .unwrap();
    let mut deliveries = vec![Delivery::new(created(orders[0], &[("A", 2)]))];
    warehouse.env.deliver(&deliveries).await;
    warehouse.env.until_blocked(1).await;
    for id in &orders[1..] {
        deliveries.push(Delivery::new(created(*id, &[("A", 2)])));
    }
    deliveries.push(Delivery::new(cancelled(orders[1])));
    warehouse.env.deliver(&deliveries[1..]).await;
    holding.commit().await.unwrap();
    warehouse.processed(&deliveries).await;

    let told: Vec<_> = warehouse.told().await.iter().map(outcome).collect();
    let expected: Vec<_> = (0..5)
        .map(|n| is(orders[n], 'R', &[("A", 2)]))
        .chain([is(orders[5], 'O', &[("A", 0)]), is(orders[1], 'F', &[("A", 2)])])
        .collect();
    assert_eq!(told, expected);
    assert_eq!(warehouse.level("A").await, (10, 8));
    let told = warehouse.told_of_stock(&["A"]).await;
    assert_eq!(told.last(), Some(&("A".to_owned(), 10, 8, 4)), "{told:?}");
    assert_eq!(told[2], ("A".to_owned(), 10, 2, 3), "the batch of one");
    assert_eq!(told.len(), 4, "the batch of six events is told of once: {told:?}");
}

#[tokio::test]
async fn an_order_that_two_replicas_hear_of_at_once_is_decided_once() {
    let warehouse = Warehouse::open().await;
    warehouse.stock("A", 5).await;
    let id = order();
    // The other replica has heard of the end and not committed yet.
    let mut other = warehouse.service.pool.begin().await.unwrap();
    sqlx::query("INSERT INTO reservations VALUES ($1, 'RELEASED', '{}', now())")
        .bind(id.as_uuid())
        .execute(&mut *other)
        .await
        .unwrap();
    let delivery = Delivery::new(created(id, &[("A", 1)]));
    warehouse.env.deliver(std::slice::from_ref(&delivery)).await;
    warehouse.env.until_blocked(1).await;
    other.commit().await.unwrap();

    warehouse.processed(&[delivery]).await;
    assert_eq!(warehouse.level("A").await, (5, 0));
    assert_eq!(warehouse.told().await, []);
    assert_eq!(warehouse.count_of("dead_letters").await, 0);
}

#[tokio::test]
async fn an_order_waits_for_the_stock_that_another_replica_is_changing() {
    let warehouse = Warehouse::open().await;
    warehouse.stock("A", 5).await;
    let id = order();
    let mut other = warehouse.service.pool.begin().await.unwrap();
    sqlx::query("UPDATE stock SET reserved = 5, version = version + 1 WHERE sku = 'A'")
        .execute(&mut *other)
        .await
        .unwrap();
    let delivery = Delivery::new(created(id, &[("A", 1)]));
    warehouse.env.deliver(std::slice::from_ref(&delivery)).await;
    warehouse.env.until_blocked(1).await;
    other.commit().await.unwrap();

    warehouse.processed(&[delivery]).await;
    assert_eq!(warehouse.level("A").await, (5, 5));
    let told: Vec<_> = warehouse.told().await.iter().map(outcome).collect();
    assert_eq!(told, [is(id, 'O', &[("A", 0)])]);
}

#[tokio::test]
async fn a_reservation_that_the_stock_does_not_know_stops_nobody_else() {
    let warehouse = Warehouse::open().await;
    warehouse.stock("A", 5).await;
    warehouse.stock("B", 5).await;
    let (broken, sound) = (order(), order());
    warehouse.hears(&[Delivery::new(created(broken, &[("A", 2)]))]).await;
    sqlx::query("UPDATE stock SET reserved = 1 WHERE sku = 'A'")
        .execute(&warehouse.service.pool)
        .await
        .unwrap();

    let first = Delivery::new(completed(broken));
    warehouse.hears(&[first, Delivery::new(created(sound, &[("B", 4)]))]).await;
    assert_eq!((warehouse.level("A").await, warehouse.level("B").await), ((5, 1), (5, 4)));
    assert_eq!(warehouse.status(broken).await.as_deref(), Some("RESERVED"));
    assert_eq!(warehouse.status(sound).await.as_deref(), Some("RESERVED"));
    let errors: Vec<String> = sqlx::query_scalar("SELECT errors FROM dead_letters")
        .fetch_one(&warehouse.service.pool)
        .await
        .unwrap();
    assert!(errors.concat().contains(&format!("{broken} holds 2 of A")), "{errors:?}");
}
