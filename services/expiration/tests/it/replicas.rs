//! Several replicas share the work.

use chrono::{TimeDelta, Utc};
use test_support::Delivery;

use crate::world::{World, created, later, order};

#[tokio::test]
async fn two_replicas_fire_a_thousand_timers_once_each() {
    let world = World::new().await;
    let (first, second) = (world.start().await, world.start().await);
    let orders: Vec<_> = (0..1000).map(|_| order()).collect();
    // Most are due at one moment, the others soon after.
    let due = Utc::now() + TimeDelta::seconds(3);
    let set: Vec<_> = (0..1000)
        .map(|n| {
            let after = TimeDelta::milliseconds(if n < 700 { 0 } else { n });
            Delivery::new(created(orders[usize::try_from(n).unwrap()], due + after))
        })
        .collect();
    world.env.deliver(&set).await;
    world.ids_told(1000).await;
    // A second event of an order would be in the outbox before this one.
    let last = order();
    world.env.publish(created(last, Utc::now())).await;
    let told = world.ids_told(1001).await;
    assert_eq!(told.len(), 1001);
    let twice: Vec<_> = told.values().filter(|ids| ids.len() > 1).collect();
    assert!(twice.is_empty(), "{} of 1000 fired more than once", twice.len());
    first.stop().await.unwrap();
    second.stop().await.unwrap();
}

#[tokio::test]
async fn what_another_replica_has_in_hand_is_left_to_it_and_holds_up_nobody() {
    let world = World::new().await;
    let service = world.start().await;
    let (in_hand, given_back) = (order(), order());
    world.hears(&[in_hand, given_back].map(|id| Delivery::new(created(id, later())))).await;
    service.stop().await.unwrap();

    // Another replica fires the first timer and has not committed yet; one more will fail.
    sqlx::raw_sql(
        "UPDATE reminders SET due_at = now();
         UPDATE timers SET fires_at = now() WHERE fires_at IS NOT NULL",
    )
    .execute(&world.pool)
    .await
    .unwrap();
    let mut firing = world.pool.begin().await.unwrap();
    let mut failing = world.pool.begin().await.unwrap();
    for (replica, id) in [(&mut firing, in_hand), (&mut failing, given_back)] {
        sqlx::query("UPDATE timers SET fires_at = NULL, closed_at = now() WHERE order_id = $1")
            .bind(id.as_uuid())
            .execute(&mut **replica)
            .await
            .unwrap();
    }
    let service = world.start().await;
    assert_eq!(world.told().await, [], "both are in hand, and a third one fires");
    firing.commit().await.unwrap();
    failing.rollback().await.unwrap();

    let told = world.told_until(given_back).await;
    assert!(told.iter().all(|told| told.order_id != in_hand), "{told:?}");
    let told = world.told().await;
    assert!(told.iter().all(|told| told.order_id != in_hand), "not even later: {told:?}");
    service.stop().await.unwrap();
}
