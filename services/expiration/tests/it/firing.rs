//! That timers fire, when, and how often.

use std::time::{Duration, Instant};

use chrono::{TimeDelta, Utc};
use test_support::Delivery;

use crate::world::{World, created, ends, order};

#[tokio::test]
async fn a_timer_fires_once_and_not_before_its_time() {
    let world = World::new().await;
    let service = world.start().await;
    let set = created(order(), Utc::now() + TimeDelta::milliseconds(1500));
    let delivery = Delivery::new(set.clone());
    world.hears(&[delivery.clone(), delivery, Delivery::new(set.clone())]).await;

    let told = world.told_until(set.order_id).await;
    let [fired] = told.as_slice() else { panic!("{told:?}") };
    assert!(fired.expired_at >= set.expires_at, "{fired:?} for {set:?}");
    assert_eq!(fired.trace_id, set.trace_id);

    // Neither its end nor a repeat is news any more, even to a service that forgot what it processed.
    sqlx::query("TRUNCATE inbox").execute(&world.pool).await.unwrap();
    world.hears(&[Delivery::new(set.clone()), Delivery::new(ends(set.order_id)[0].clone())]).await;
    world.hears(&[Delivery::new(set)]).await;
    assert_eq!(world.told().await, told);
    service.stop().await.unwrap();
}

/// By looking once a second, each would take a whole one, since it is set right after the last has fired.
/// What else it takes is measured beside it: an event that sets no timer, until it is processed.
#[tokio::test]
async fn a_near_timer_is_not_found_by_looking_once_a_second() {
    let world = World::new().await;
    let service = world.start().await;
    world.told().await;
    let (mut fired, mut heard) = (Vec::new(), Vec::new());
    for _ in 0..10 {
        let (id, started) = (order(), Instant::now());
        world.env.publish(created(id, Utc::now())).await;
        world.told_until(id).await;
        fired.push(started.elapsed());
        let started = Instant::now();
        world.hears(&[]).await;
        heard.push(started.elapsed());
    }
    fired.sort_unstable();
    heard.sort_unstable();
    let (fired, heard) = (fired[5], heard[5]);
    assert!(fired < heard + Duration::from_millis(600), "{fired:?} to fire, {heard:?} to hear");
    service.stop().await.unwrap();
}

#[tokio::test]
async fn what_was_due_while_the_service_was_down_fires_at_its_start() {
    let world = World::new().await;
    let service = world.start().await;
    let orders: Vec<_> = (0..1200).map(|_| order()).collect();
    let set: Vec<_> = orders[..1100]
        .iter()
        .map(|id| Delivery::new(created(*id, Utc::now() + TimeDelta::minutes(5))))
        .collect();
    world.hears(&set).await;
    service.stop().await.unwrap();
    assert_eq!(world.count_of("outbox").await, 0, "nothing has fired");

    // Five minutes later; and some orders came meanwhile.
    sqlx::raw_sql(
        "UPDATE reminders SET due_at = due_at - interval '5 minutes';
         UPDATE timers SET fires_at = fires_at - interval '5 minutes'",
    )
    .execute(&world.pool)
    .await
    .unwrap();
    let overdue = Utc::now() - TimeDelta::minutes(1);
    let missed: Vec<_> =
        orders[1100..].iter().map(|id| Delivery::new(created(*id, overdue))).collect();
    world.env.deliver(&missed).await;

    let service = world.start().await;
    let told = world.ids_told(orders.len()).await;
    assert!(told.values().all(|ids| ids.len() == 1));
    let expected: std::collections::BTreeSet<_> =
        orders.iter().map(|id| id.to_string().into_bytes()).collect();
    assert!(told.keys().eq(expected.iter()));
    service.stop().await.unwrap();
}

#[tokio::test]
async fn a_service_without_timers_hardly_asks_the_database() {
    let world = World::new().await;
    let service = world.start().await;
    world.told().await;
    // Connections report what they did once a second.
    let transactions = async || -> i64 {
        tokio::time::sleep(Duration::from_secs(2)).await;
        sqlx::query_scalar(
            "SELECT xact_commit + xact_rollback FROM pg_stat_database
             WHERE datname = current_database()",
        )
        .fetch_one(&world.pool)
        .await
        .unwrap()
    };
    let before = transactions().await;
    let per_second = (transactions().await - before) / 2;
    // The relay looks ten times a second, the timers are looked at once.
    assert!(per_second < 40, "{per_second} transactions a second");
    service.stop().await.unwrap();
}
