//! Processes and servers that end at the wrong moment.

use std::time::{Duration, Instant};

use contracts::topic::Topic;
use payments::SERVICE;
use sqlx::PgPool;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use test_support::{Delivery, OwnPostgres, TestEnv, eventually};

use crate::shop::*;

/// Each process is a runtime; the first is shut down with its tasks wherever they are.
#[test]
fn a_call_whose_process_ended_before_its_answer_is_made_again_by_another() {
    let runtime = || tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let config = payments::Config { sandbox_slow_ms: 4000, provider_timeout_ms: 4500, ..config() };
    let first = runtime();
    let (order, env) = first.block_on(async {
        let env = environment().await;
        let service = replica(&env, config.clone()).await;
        let shop = Shop::of(env, service);
        let order = shop.placed(Some("pm_card_slow")).await;
        shop.asked_for(order).await;
        assert_eq!(shop.state(order).await.unwrap(), "AUTHORIZING");
        (order, shop.env)
    });
    let killed = Instant::now();
    first.shutdown_background();

    runtime().block_on(async {
        let service = replica(&env, config).await;
        let shop = Shop::of(env, service);
        shop.reaches(order, "AUTHORIZED").await;
        assert!(killed.elapsed() > Duration::from_secs(1), "the lease was not waited for");
        assert_eq!(shop.attempts(order).await, 2);
        assert_eq!(shop.names_told(order).await, ["PaymentAuthorized"]);
        shop.service.stop().await.unwrap();
    });
}

#[tokio::test]
async fn an_answer_that_comes_while_the_service_stops_is_recorded() {
    let shop = Shop::open_with(payments::Config { sandbox_slow_ms: 1000, ..config() }).await;
    let order = shop.placed(Some("pm_card_slow")).await;
    shop.asked_for(order).await;
    let Shop { env, service, .. } = shop;
    service.stop().await.unwrap();
    let pool = env.pool().await;
    let state: String =
        sqlx::query_scalar("SELECT state FROM payments").fetch_one(&pool).await.unwrap();
    assert_eq!(state, "AUTHORIZED");
}

#[tokio::test]
async fn answers_that_cannot_be_recorded_while_postgres_is_away_are_kept() {
    let mut postgres = OwnPostgres::start().await;
    let shared = TestEnv::new(SERVICE.name).await;
    let env = TestEnv::on(SERVICE.name, &postgres.url(), shared.kafka_brokers()).await;
    let topics: Vec<_> = Topic::ALL.iter().map(|topic| topic.name()).collect();
    env.create_topics_of(&topics, 1).await;
    // Long enough for the lease to last until the answer is recorded.
    let config =
        payments::Config { sandbox_slow_ms: 2500, provider_timeout_ms: 100_000, ..config() };
    // A pool that does not wait for the server to be back.
    let pool = PgPoolOptions::new().acquire_timeout(Duration::from_millis(300));
    let pool = pool.connect(&env.database_url()).await.unwrap();
    let service = replica_on(&env, pool, config).await;
    let shop = Shop::of(env, service);
    let orders = [shop.placed(Some("pm_card_slow")).await, shop.placed(Some("pm_card_slow")).await];
    for order in orders {
        shop.asked_for(order).await;
    }
    postgres.stop().await;
    // The answers come while it is away.
    tokio::time::sleep(Duration::from_secs(3)).await;
    postgres.start_again().await;
    for order in orders {
        eventually(PATIENCE, async || {
            let found = sqlx::query_scalar("SELECT state FROM payments WHERE order_id = $1");
            let state: Option<String> =
                found.bind(order.as_uuid()).fetch_one(&shop.pool).await.ok();
            (state.as_deref() == Some("AUTHORIZED")).then_some(())
        })
        .await;
        assert_eq!(shop.attempts(order).await, 1, "the first answer was lost");
        assert_eq!(shop.names_told(order).await, ["PaymentAuthorized"]);
    }
    shop.service.stop().await.unwrap();
}

#[tokio::test]
async fn an_answer_whose_transaction_fails_is_recorded_by_a_later_one() {
    let env = environment().await;
    let options: PgConnectOptions = env.database_url().parse().unwrap();
    let pool = PgPool::connect_with(options.options([("lock_timeout", "100ms")])).await.unwrap();
    let config =
        payments::Config { sandbox_slow_ms: 1000, provider_timeout_ms: 100_000, ..config() };
    let service = replica_on(&env, pool, config).await;
    let shop = Shop::of(env, service);
    let order = shop.placed(Some("pm_card_slow")).await;
    shop.asked_for(order).await;
    let mut other = shop.pool.begin().await.unwrap();
    sqlx::query("SELECT FROM payments FOR UPDATE").execute(&mut *other).await.unwrap();
    // The answer has come, and its transaction has failed more than once.
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(shop.state(order).await.unwrap(), "AUTHORIZING");
    other.rollback().await.unwrap();
    shop.reaches(order, "AUTHORIZED").await;
    assert_eq!(shop.attempts(order).await, 1, "the first answer was lost");
    shop.service.stop().await.unwrap();
}

#[tokio::test]
async fn replicas_share_the_calls_and_make_none_twice() {
    let env = environment().await;
    let config = payments::Config { provider_concurrency: 4.try_into().unwrap(), ..config() };
    let second = replica(&env, config.clone()).await;
    let service = replica(&env, config).await;
    let shop = Shop::of(env, service);
    let mut events = Vec::new();
    for at in 0..60 {
        let order = new_order();
        let method = if at < 30 { "pm_card_ok" } else { "pm_card_slow" };
        events.push(Delivery::new(created(order, shop.customer.customer, Some(method))));
        events.push(Delivery::new(reserved(order)));
    }
    shop.hears(&events).await;
    eventually(PATIENCE, async || (shop.count("AUTHORIZED").await == 60).then_some(())).await;
    let attempts: Vec<i32> = sqlx::query_scalar("SELECT DISTINCT attempt FROM payments")
        .fetch_all(&shop.pool)
        .await
        .unwrap();
    assert_eq!(attempts, [1]);
    second.stop().await.unwrap();
    shop.service.stop().await.unwrap();
}

#[tokio::test]
async fn an_answer_that_can_never_be_recorded_holds_up_no_other() {
    let shop = Shop::open_with(payments::Config { sandbox_slow_ms: 1500, ..config() }).await;
    let orders = [new_order(), new_order(), new_order()];
    let constraint = format!(
        "ALTER TABLE payments ADD CHECK (order_id <> '{}' OR state <> 'AUTHORIZED')",
        orders[1].as_uuid()
    );
    sqlx::raw_sql(sqlx::AssertSqlSafe(constraint)).execute(&shop.pool).await.unwrap();
    let mut events = Vec::new();
    for order in orders {
        events.push(Delivery::new(created(order, shop.customer.customer, Some("pm_card_slow"))));
        events.push(Delivery::new(reserved(order)));
    }
    // Asked for together, so answered and recorded together.
    shop.hears(&events).await;
    for order in [orders[0], orders[2]] {
        shop.reaches(order, "AUTHORIZED").await;
        assert_eq!(shop.attempts(order).await, 1);
    }
    assert_eq!(shop.state(orders[1]).await.unwrap(), "AUTHORIZING");
    shop.service.stop().await.unwrap();
}
