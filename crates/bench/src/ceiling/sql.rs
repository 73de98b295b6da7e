//! The bare SQL of a saga: five transactions, on tables with what a saga needs and no more.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context, Result, ensure};
use sqlx::postgres::PgPoolOptions;
use sqlx::{PgConnection, PgPool};
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::ceiling::measured;
use crate::ceiling::sql::statements::{AUTHORISE, COMPLETE, PLACE, RESERVE, SETTLE};
use crate::outcome::Floor;

mod statements;

/// Of each connection, as of each partition of a consumer: so no two transactions wait for each other.
const SKUS: i32 = 250;
/// An event is as large.
const EVENT: usize = 400;

/// How the SQL is run.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// A scratch database, as its owner; its tables are made anew
    #[arg(long, env = "DATABASE_URL", hide_env_values = true)]
    database_url: String,
    /// Orders in a transaction that places them
    #[arg(long, default_value_t = 100)]
    place: usize,
    /// Orders in each further transaction
    #[arg(long, default_value_t = 100)]
    step: usize,
    /// Orders in all
    #[arg(long, default_value_t = 50_000)]
    orders: u64,
    /// Transactions at once
    #[arg(long, default_value_t = 4)]
    connections: u32,
}

/// Runs it.
pub async fn run(options: &Options) -> Result<Floor> {
    ensure!(options.place > 0 && options.step > 0, "a batch of nothing");
    let pool = PgPoolOptions::new()
        .max_connections(options.connections)
        .connect(&options.database_url)
        .await
        .context("the scratch database does not answer")?;
    sqlx::raw_sql(statements::TABLES).execute(&pool).await?;
    let skus = SKUS * i32::try_from(options.connections)?;
    sqlx::query(statements::STOCK).bind(skus).execute(&pool).await?;
    let floor = measured(sagas(&pool, options)).await?;
    pool.close().await;
    Ok(floor)
}

/// Carries sagas out over several connections; how many.
async fn sagas(pool: &PgPool, options: &Options) -> Result<u64> {
    let begun = Arc::new(AtomicU64::new(0));
    let mut workers = JoinSet::new();
    for connection in 0..i32::try_from(options.connections)? {
        let (pool, begun) = (pool.clone(), Arc::clone(&begun));
        let (place, step, orders) = (options.place, options.step, options.orders);
        workers.spawn(async move {
            let first_sku = connection * SKUS;
            let mut connection = pool.acquire().await?;
            let round = round_of(place, step);
            let amount = u64::try_from(round)?;
            let mut done = 0;
            while begun.fetch_add(amount, Ordering::Relaxed) < orders {
                saga(&mut connection, first_sku, round, (place, step)).await?;
                done += amount;
            }
            anyhow::Ok(done)
        });
    }
    let mut done = 0;
    while let Some(worker) = workers.join_next().await {
        done += worker??;
    }
    Ok(done)
}

/// Orders that go through their steps together: as many as make few batches that are not full.
fn round_of(place: usize, step: usize) -> usize {
    let larger = place.max(step);
    larger * 5
}

/// The five transactions of so many orders, each in batches of its size.
async fn saga(
    connection: &mut PgConnection,
    first_sku: i32,
    orders: usize,
    (place, step): (usize, usize),
) -> Result<()> {
    let ids: Vec<Uuid> = (0..orders).map(|_| Uuid::now_v7()).collect();
    let skus: Vec<i32> = ids.iter().map(|id| first_sku + sku(*id)).collect();
    for (ids, skus) in ids.chunks(place).zip(skus.chunks(place)) {
        transaction(connection, PLACE, ids, skus).await?;
    }
    for statements in [RESERVE, AUTHORISE, COMPLETE, SETTLE] {
        for (ids, skus) in ids.chunks(step).zip(skus.chunks(step)) {
            transaction(connection, statements, ids, skus).await?;
        }
    }
    Ok(())
}

fn sku(id: Uuid) -> i32 {
    i32::try_from(id.as_u128() % u128::from(SKUS.unsigned_abs())).unwrap_or_default()
}

async fn transaction(
    connection: &mut PgConnection,
    statements: &'static [&'static str],
    ids: &[Uuid],
    skus: &[i32],
) -> Result<()> {
    let event = vec![b'x'; EVENT];
    sqlx::query("BEGIN").execute(&mut *connection).await?;
    for statement in statements {
        let query = sqlx::query(*statement).bind(ids).bind(skus).bind(&event);
        query.execute(&mut *connection).await?;
    }
    sqlx::query("COMMIT").execute(&mut *connection).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn most_batches_are_full() {
        for (place, step) in [(1, 1), (7, 100), (250, 90)] {
            let round = round_of(place, step);
            let batches = |size: usize| round.div_ceil(size) * size;
            assert!(batches(place) * 10 <= round * 12 && batches(step) * 10 <= round * 12);
        }
    }

    #[test]
    fn a_sku_is_one_of_those_there_are() {
        for id in [0, 1, 999, 1000, u128::MAX] {
            assert!((0..SKUS).contains(&sku(Uuid::from_u128(id))));
        }
    }
}
