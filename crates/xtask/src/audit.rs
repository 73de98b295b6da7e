//! Reads every schema and says what does not add up.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use sqlx::{Connection as _, PgConnection};
use test_support::stack::in_database;

use crate::{database::DATABASE, say};

/// One rule that must hold once nothing moves any more: a name, and a query that counts violations.
struct Rule {
    name: &'static str,
    violations: &'static str,
}

const RULES: [Rule; 13] = [
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
    Rule {
        name: "every outbox is empty",
        violations: "SELECT (SELECT count(*) FROM auth.outbox) + (SELECT count(*) FROM products.outbox)
             + (SELECT count(*) FROM orders.outbox) + (SELECT count(*) FROM payments.outbox)
             + (SELECT count(*) FROM inventory.outbox) + (SELECT count(*) FROM expiration.outbox)",
    },
    Rule {
        name: "no dead letters",
        violations: "SELECT (SELECT count(*) FROM products.dead_letters) + (SELECT count(*) FROM orders.dead_letters)
             + (SELECT count(*) FROM payments.dead_letters) + (SELECT count(*) FROM inventory.dead_letters)
             + (SELECT count(*) FROM expiration.dead_letters) + (SELECT count(*) FROM notification.dead_letters)",
    },
];

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
            say(&format!("the audit's {} rules hold", RULES.len()));
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
const PATIENCE: Duration = Duration::from_mins(1);

/// The rules that do not hold, each with the number of its violations; `connection` is the superuser's.
pub async fn violations(connection: &mut PgConnection) -> Result<Vec<(&'static str, i64)>> {
    let mut broken = Vec::new();
    for rule in &RULES {
        let count: i64 = sqlx::query_scalar(rule.violations).fetch_one(&mut *connection).await?;
        if count != 0 {
            broken.push((rule.name, count));
        }
    }
    Ok(broken)
}
