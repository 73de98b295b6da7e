//! Fills the databases with finished orders.

use anyhow::{Context, Result, ensure};
use sqlx::{AssertSqlSafe, PgConnection};

use super::stage::Stage;
use crate::say;

/// Tables with rows of orders, and of each the column that names the order: two lists that take about as long, to be
/// cloned beside each other.
const TABLES: [&[(&str, &str)]; 2] = [
    &[
        ("orders.orders", "id"),
        ("orders.order_history", "order_id"),
        ("orders.idempotency_keys", "order_id"),
    ],
    &[
        ("inventory.reservations", "order_id"),
        ("payments.payments", "order_id"),
        ("expiration.timers", "order_id"),
        ("notification.notifications", "order_id"),
    ],
];

/// Columns that no two orders have in common, and what they are of a clone.
const OWN: [(&str, &str, &str); 3] = [
    ("orders.idempotency_keys", "key", "clone.new::text"),
    ("payments.payments", "payment_id", "uuidv7(clone.ago)"),
    ("notification.notifications", "id", "uuidv7(clone.ago)"),
];

/// Clones finished orders until there are so many; how many there are then.
pub async fn fill_up(stage: &Stage<'_>, up_to: i64) -> Result<i64> {
    say(&format!("\ngrowth: cloning finished orders up to {up_to}"));
    let [mut database, mut beside] = [stage.database().await?, stage.database().await?];
    fill(&mut database, &mut beside, up_to).await.context("cannot clone orders")?;
    let there = finished(&mut database).await?;
    say(&format!("{there} finished orders are there"));
    Ok(there)
}

async fn finished(database: &mut PgConnection) -> Result<i64> {
    let count = "SELECT count(*) FROM orders.orders WHERE status <> 'PENDING'";
    Ok(sqlx::query_scalar(count).fetch_one(database).await?)
}

/// Clones every finished order as often as it takes. By their ids, and so in all indexes of them, the clones are older
/// than all others, as orders that were placed before would be; the times in their rows are those of their originals.
async fn fill(database: &mut PgConnection, beside: &mut PgConnection, up_to: i64) -> Result<()> {
    let there = finished(database).await?;
    ensure!(there > 0, "no order has finished");
    let missing = up_to - there;
    if missing <= 0 {
        return Ok(());
    }
    for connection in [&mut *database, &mut *beside] {
        // They are sorted in memory.
        sqlx::raw_sql("SET work_mem = '1GB'").execute(connection).await?;
    }
    sqlx::raw_sql("CREATE UNLOGGED TABLE public.clone (old uuid, new uuid, ago interval)")
        .execute(&mut *database)
        .await?;
    sqlx::query(
        "INSERT INTO public.clone SELECT id, uuidv7(ago), ago FROM (
             SELECT id, -interval '1 day' - (($1 - row_number() OVER (ORDER BY turn, id)) * interval '1 second')
                 AS ago
             FROM (SELECT id FROM orders.orders WHERE status <> 'PENDING' ORDER BY id) finished
             CROSS JOIN generate_series(1, $1 / $2 + 1) AS turn
             ORDER BY turn, id LIMIT $1) AS aged",
    )
    .bind(missing)
    .bind(there)
    .execute(&mut *database)
    .await?;
    sqlx::raw_sql("CREATE INDEX ON public.clone (old); ANALYZE public.clone")
        .execute(&mut *database)
        .await?;
    let [first, second] = TABLES;
    tokio::try_join!(clone_rows(database, first), clone_rows(beside, second))?;
    sqlx::raw_sql("DROP TABLE public.clone; CHECKPOINT; ANALYZE").execute(&mut *database).await?;
    Ok(())
}

async fn clone_rows(database: &mut PgConnection, tables: &[(&str, &str)]) -> Result<()> {
    for (table, key) in tables {
        let statement = clone_of(database, table, key).await?;
        sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut *database).await?;
    }
    Ok(())
}

/// The statement that clones the rows of a table, whatever columns it has.
async fn clone_of(database: &mut PgConnection, table: &str, key: &str) -> Result<String> {
    let columns: Vec<String> = sqlx::query_scalar(
        "SELECT attname::text FROM pg_attribute
         WHERE attrelid = $1::regclass AND attnum > 0 AND NOT attisdropped AND attgenerated = ''
         ORDER BY attnum",
    )
    .bind(table)
    .fetch_all(database)
    .await?;
    ensure!(columns.iter().any(|column| column == key), "{table} has no column {key}");
    Ok(statement(table, key, &columns))
}

fn statement(table: &str, key: &str, columns: &[String]) -> String {
    let value = |column: &String| {
        let own = OWN.iter().find(|(of, name, _)| *of == table && name == column);
        match own {
            Some((.., value)) => (*value).to_owned(),
            None if column == key => "clone.new".to_owned(),
            None => format!("kept.{column}"),
        }
    };
    let values: Vec<String> = columns.iter().map(value).collect();
    format!(
        "INSERT INTO {table} ({}) SELECT {} FROM public.clone JOIN {table} kept ON kept.{key} = clone.old
         ORDER BY clone.new",
        columns.join(", "),
        values.join(", ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clone_has_ids_of_its_own_and_is_otherwise_the_same() {
        let columns = ["order_id", "payment_id", "state"].map(str::to_owned);
        let statement = statement("payments.payments", "order_id", &columns);
        assert!(statement.contains("(order_id, payment_id, state)"), "{statement}");
        assert!(statement.contains("clone.new, uuidv7(clone.ago), kept.state"), "{statement}");
    }

    #[test]
    fn what_is_a_clones_own_is_in_tables_that_are_cloned() {
        for (table, ..) in OWN {
            assert!(TABLES.concat().iter().any(|(cloned, _)| *cloned == table), "{table}");
        }
    }
}
