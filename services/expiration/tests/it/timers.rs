//! When there is a timer, and when not.

use chrono::{TimeDelta, Utc};
use contracts::ids::OrderId;
use test_support::{Delivery, eventually};
use uuid::{NoContext, Timestamp, Uuid};

use crate::world::{PATIENCE, World, created, ends, later, order};

#[tokio::test]
async fn an_open_order_has_a_timer_until_any_end_each_step_twice() {
    let world = World::new().await;
    let service = world.start().await;
    for which in 0..3 {
        let (id, fires_at) = (order(), later());
        let set = Delivery::new(created(id, fires_at));
        let again = Delivery::new(created(id, fires_at + TimeDelta::hours(1)));
        world.hears(&[set.clone(), set.clone(), again.clone()]).await;
        assert_eq!(world.timer(id).await, Some(Some(fires_at)));

        let end = ends(id)[which].clone();
        let drop = Delivery::new(end.clone());
        world.hears(&[drop.clone(), drop, Delivery::new(end)]).await;
        assert_eq!(world.timer(id).await, Some(None));

        world.hears(&[Delivery::new(set.event.clone()), again]).await;
        assert_eq!(world.timer(id).await, Some(None), "a late repeat sets none");
    }
    service.stop().await.unwrap();
}

#[tokio::test]
async fn an_end_before_its_order_leaves_no_timer() {
    let world = World::new().await;
    let service = world.start().await;
    let overdue = Utc::now() - TimeDelta::hours(1);
    for which in 0..3 {
        let id = order();
        world.hears(&[Delivery::new(ends(id)[which].clone())]).await;
        world.hears(&[Delivery::new(created(id, overdue))]).await;
        assert_eq!(world.timer(id).await, Some(None));
        // In one batch, and the other way round.
        let id = order();
        let both = [Delivery::new(ends(id)[which].clone()), Delivery::new(created(id, later()))];
        world.hears(&both).await;
        assert_eq!(world.timer(id).await, Some(None));
    }
    assert_eq!(world.told().await, []);
    service.stop().await.unwrap();
}

#[tokio::test]
async fn an_end_and_its_order_at_two_replicas_at_once_leave_no_timer() {
    let world = World::new().await;
    let service = world.start().await;
    // The other replica has heard of the order and not committed yet.
    let id = order();
    let mut other = world.pool.begin().await.unwrap();
    sqlx::query("INSERT INTO timers (order_id, fires_at, traceparent) VALUES ($1, $2, '')")
        .bind(id.as_uuid())
        .bind(later())
        .execute(&mut *other)
        .await
        .unwrap();
    let end = Delivery::new(ends(id)[1].clone());
    world.env.deliver(std::slice::from_ref(&end)).await;
    world.env.until_blocked(1).await;
    other.commit().await.unwrap();
    world.processed(&[end]).await;
    assert_eq!(world.timer(id).await, Some(None));
    assert_eq!(world.count_of("dead_letters").await, 0);
    service.stop().await.unwrap();
}

#[tokio::test]
async fn what_is_done_is_forgotten_after_a_month() {
    let world = World::new().await;
    let service = world.start().await;
    let aged = |days: i64| {
        let seconds = u64::try_from((Utc::now() - TimeDelta::days(days)).timestamp()).unwrap();
        OrderId::from_uuid(Uuid::new_v7(Timestamp::from_unix(NoContext, seconds, 0)))
    };
    let (old, recent, open) = (aged(31), aged(29), aged(31));
    world
        .hears(&[Delivery::new(ends(old)[0].clone()), Delivery::new(ends(recent)[0].clone())])
        .await;
    world.hears(&[Delivery::new(created(open, later()))]).await;
    assert_eq!(world.timer(old).await, Some(None));
    service.stop().await.unwrap();

    let service = world.start().await;
    eventually(PATIENCE, async || world.timer(old).await.is_none().then_some(())).await;
    assert_eq!(world.timer(recent).await, Some(None));
    assert!(matches!(world.timer(open).await, Some(Some(_))), "however old, it is open");
    service.stop().await.unwrap();
}
