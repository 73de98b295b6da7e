//! Reads every schema and says what does not add up.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};
use test_support::stack::{SERVICES, in_database};

use crate::{database::DATABASE, say};

/// One rule that must hold once nothing moves any more: a name, and a query that counts violations.
struct Rule {
    name: &'static str,
    violations: &'static str,
}

const RULES: [Rule; 11] = [
    Rule {
        name: "every order has ended",
        violations: "SELECT count(*) FROM orders.orders WHERE status = 'PENDING'",
    },
    Rule {
        name: "reserved stock is what open orders hold: nothing",
        violations: "SELECT count(*) FROM inventory.stock WHERE reserved <> 0",
    },
    Rule {
        name: "never below zero",
        violations: "SELECT count(*) FROM inventory.stock WHERE on_hand < 0 OR reserved < 0",
    },
    Rule {
        name: "a completed order's stock is deducted",
        violations: "SELECT count(*) FROM orders.orders o LEFT JOIN inventory.reservations r ON r.order_id = o.id
             WHERE o.status = 'COMPLETED' AND r.status IS DISTINCT FROM 'DEDUCTED'",
    },
    Rule {
        name: "an order that did not complete holds no stock",
        violations: "SELECT count(*) FROM inventory.reservations r JOIN orders.orders o ON r.order_id = o.id
             WHERE o.status <> 'COMPLETED' AND r.status NOT IN ('RELEASED', 'REJECTED')",
    },
    Rule {
        name: "a completed order is paid, in full",
        violations: "SELECT count(*) FROM orders.orders o LEFT JOIN payments.payments p ON p.order_id = o.id
             WHERE o.status = 'COMPLETED' AND (p.state IS DISTINCT FROM 'CAPTURED'
                OR p.amount_minor IS DISTINCT FROM o.total_minor OR p.currency IS DISTINCT FROM o.currency)",
    },
    Rule {
        name: "nothing is charged without a completed order",
        violations: "SELECT count(*) FROM payments.payments p LEFT JOIN orders.orders o ON p.order_id = o.id
             WHERE p.state = 'CAPTURED' AND o.status IS DISTINCT FROM 'COMPLETED'",
    },
    Rule {
        name: "nothing is left authorised or on its way",
        violations: "SELECT count(*) FROM payments.payments
             WHERE state IN ('AWAITING', 'AUTHORIZING', 'AUTHORIZED', 'CAPTURING', 'VOIDING', 'REFUNDING')",
    },
    Rule {
        name: "no timer is left",
        violations: "SELECT count(*) FROM expiration.timers WHERE fires_at IS NOT NULL",
    },
    Rule {
        name: "each customer is told once of each order and kind",
        violations: "SELECT count(*) FROM orders.orders o
             WHERE 2 <> (SELECT count(*) FROM notification.notifications n WHERE n.order_id = o.id)",
    },
    Rule {
        name: "history has every version once",
        violations: "SELECT count(*) FROM orders.orders o
             WHERE o.version <> (SELECT count(*) FROM orders.order_history h WHERE h.order_id = o.id)",
    },
];

/// Tables that every service has, empty in the end: a rule's name, and the table's.
const EMPTY: [(&str, &str); 2] =
    [("every outbox is empty", "outbox"), ("no dead letters", "dead_letters")];

/// Every rule: its name, and the query that counts violations.
fn rules() -> impl Iterator<Item = (&'static str, String)> {
    let written = RULES.iter().map(|rule| (rule.name, rule.violations.to_owned()));
    written.chain(EMPTY.map(|(name, table)| (name, rows_of_all(table))))
}

/// Counts the rows of a table in the schemas of all services.
fn rows_of_all(table: &str) -> String {
    let counts = SERVICES.map(|service| format!("(SELECT count(*) FROM {service}.{table})"));
    format!("SELECT {}", counts.join(" + "))
}

/// Waits until nothing moves any more and every rule holds; `superuser_url` is of the stack's Postgres.
///
/// # Errors
///
/// When a rule does not hold in the end; the error names each with the number of its violations.
pub async fn settled(superuser_url: &str) -> Result<()> {
    let url = in_database(superuser_url, DATABASE);
    let mut connection = PgConnection::connect(&url).await?;
    let deadline = Instant::now() + PATIENCE;
    loop {
        let broken = violations(&mut connection).await?;
        if broken.is_empty() {
            say(&format!("the audit's {} rules hold", rules().count()));
            return Ok(());
        }
        if Instant::now() > deadline {
            let broken = broken.iter().map(|(rule, count)| format!("{rule} ({count} violations)"));
            bail!("the audit found: {}", broken.collect::<Vec<_>>().join("; "));
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// How long the last events may take to settle.
const PATIENCE: Duration = Duration::from_mins(2);

/// The rules that do not hold, each with the number of its violations; `connection` is the superuser's.
pub async fn violations(connection: &mut PgConnection) -> Result<Vec<(&'static str, i64)>> {
    let mut broken = Vec::new();
    for (name, violations) in rules() {
        let count = sqlx::query_scalar(AssertSqlSafe(violations));
        let count: i64 = count.fetch_one(&mut *connection).await?;
        if count != 0 {
            broken.push((name, count));
        }
    }
    Ok(broken)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_service_is_asked_for_what_it_has_not_published_and_not_processed() {
        for table in ["outbox", "dead_letters"] {
            for service in SERVICES {
                let table = format!("{service}.{table}");
                assert!(rules().any(|(_, violations)| violations.contains(&table)), "{table}");
            }
        }
    }
}
