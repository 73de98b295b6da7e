//! Processes and servers that end at the wrong moment.

use std::time::Duration;

use contracts::topic::Topic;
use payments::SERVICE;
use payments::payment::Operation::{Authorize, Capture};
use sqlx::PgPool;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use test_support::{Delivery, OwnPostgres, TestEnv, eventually};

use crate::shop::*;

/// Each process is a runtime; the first two are shut down with their tasks wherever they are: when the
/// provider has done what it was asked, and nothing of that is recorded.
#[test]
fn a_call_whose_process_ended_before_its_answer_is_made_again_by_another_and_done_once() {
    let runtime = || tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let config = payments::Config { provider_timeout_ms: 100_000, ..config() };
    let first = runtime();
    let (order, env) = first.block_on(async {
        let env = environment().await;
        let service = replica(&env, config.clone()).await;
        let shop = Shop::of(env, service, &config);
        let order = shop.placed(Some("pm_card_timeout")).await;
        shop.asked_for(order).await;
        (order, shop.env)
    });
    first.shutdown_background();

    let second = runtime();
    let env = second.block_on(async {
        let service = replica(&env, config.clone()).await;
        let shop = Shop::of(env, service, &config);
        // Whatever is due is asked for meanwhile, but this is the first one's until its lease ends.
        shop.authorized().await;
        assert_eq!(shop.state(order).await.unwrap(), "AUTHORIZING");
        assert_eq!(shop.asked(order, Authorize), 1, "the lease was not waited for");
        end_leases(&shop).await;
        shop.reaches(order, "AUTHORIZED").await;
        shop.hears(&[Delivery::new(completed(order))]).await;
        eventually(PATIENCE, async || (shop.asked(order, Capture) == 1).then_some(())).await;
        assert_eq!(shop.state(order).await.unwrap(), "CAPTURING");
        shop.env
    });
    second.shutdown_background();

    runtime().block_on(async {
        let service = replica(&env, config.clone()).await;
        let shop = Shop::of(env, service, &config);
        end_leases(&shop).await;
        shop.reaches(order, "CAPTURED").await;
        assert_eq!((shop.asked(order, Authorize), shop.asked(order, Capture)), (2, 2));
        assert_eq!(shop.done(order), [Authorize, Capture], "done twice");
        assert_eq!(shop.names_told(order).await, ["PaymentAuthorized", "PaymentCaptured"]);
        shop.service.stop().await.unwrap();
    });
}

/// As time would.
async fn end_leases(shop: &Shop) {
    sqlx::raw_sql(
        "UPDATE reminders SET due_at = now();
         UPDATE payments SET due_at = now() WHERE due_at IS NOT NULL",
    )
    .execute(&shop.pool)
    .await
    .unwrap();
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
    let service = replica_on(&env, pool, config.clone()).await;
    let shop = Shop::of(env, service, &config);
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
        assert_eq!(shop.asked(order, Authorize), 1, "the first answer was lost");
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
        payments::Config { sandbox_slow_ms: 5000, provider_timeout_ms: 100_000, ..config() };
    let service = replica_on(&env, pool, config.clone()).await;
    let shop = Shop::of(env, service, &config);
    let order = shop.placed(Some("pm_card_slow")).await;
    shop.asked_for(order).await;
    let mut other = shop.pool.begin().await.unwrap();
    sqlx::query("SELECT FROM payments FOR UPDATE").execute(&mut *other).await.unwrap();
    // The answer comes, and its transaction fails more than once: it waits for the lock, and gives up.
    for _ in 0..2 {
        shop.env.until_blocked(1).await;
        until_nobody_is_blocked(&shop).await;
    }
    assert_eq!(shop.state(order).await.unwrap(), "AUTHORIZING");
    other.rollback().await.unwrap();
    shop.reaches(order, "AUTHORIZED").await;
    assert_eq!(shop.asked(order, Authorize), 1, "the first answer was lost");
    shop.service.stop().await.unwrap();
}

async fn until_nobody_is_blocked(shop: &Shop) {
    let waiting = "SELECT count(*) FROM pg_stat_activity
                   WHERE datname = current_database() AND wait_event_type = 'Lock'";
    eventually(PATIENCE, async || {
        let waiting: i64 = sqlx::query_scalar(waiting).fetch_one(&shop.pool).await.unwrap();
        (waiting == 0).then_some(())
    })
    .await;
}

#[tokio::test]
async fn replicas_share_the_calls_and_make_none_twice() {
    let env = environment().await;
    let config = payments::Config { provider_concurrency: 4.try_into().unwrap(), ..config() };
    let second = replica(&env, config.clone()).await;
    let service = replica(&env, config.clone()).await;
    let shop = Shop::of(env, service, &config);
    let mut events = Vec::new();
    for at in 0..60 {
        let order = new_order();
        let method = if at < 30 { "pm_card_ok" } else { "pm_card_slow" };
        events.push(Delivery::new(created(order, shop.customer.customer, Some(method))));
        events.push(Delivery::new(reserved(order)));
    }
    shop.hears(&events).await;
    eventually(PATIENCE, async || (shop.count("AUTHORIZED").await == 60).then_some(())).await;
    assert_eq!(shop.ledger.requests().len(), 60);
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
        assert_eq!(shop.asked(order, Authorize), 1);
    }
    assert_eq!(shop.state(orders[1]).await.unwrap(), "AUTHORIZING");
    shop.service.stop().await.unwrap();
}
