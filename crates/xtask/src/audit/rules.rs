//! What the databases alone can tell.

use test_support::stack::SERVICES;

use super::violation::Breach;

/// What must hold once nothing moves any more, and a query for what it does not hold for.
#[derive(Debug)]
pub struct Rule {
    /// What must hold.
    pub name: &'static str,
    /// What it counts as where it does not.
    pub breach: Breach,
    /// One text a violation.
    pub broken: String,
}

/// A rule of particular tables.
struct Written(&'static str, Breach, &'static str);

const WRITTEN: [Written; 29] = [
    Written(
        "every order has ended",
        Breach::NonTerminal,
        "SELECT id::text FROM orders.orders WHERE status = 'PENDING'",
    ),
    Written(
        "an order costs what its lines cost",
        Breach::Disagreement,
        "SELECT id::text FROM orders.orders o WHERE total_minor IS DISTINCT FROM
            (SELECT sum((item->>'qty')::bigint * (item->>'price')::bigint)
             FROM jsonb_array_elements(o.items) item)",
    ),
    Written(
        "history has every version once",
        Breach::Disagreement,
        "SELECT id::text FROM orders.orders o WHERE (SELECT array_agg(version ORDER BY version)
             FROM orders.order_history h WHERE h.order_id = o.id)
         IS DISTINCT FROM (SELECT array_agg(v) FROM generate_series(1, o.version) v)",
    ),
    Written(
        "history ends where the order stands",
        Breach::Disagreement,
        "SELECT id::text FROM orders.orders o LEFT JOIN orders.order_history h
             ON h.order_id = o.id AND h.version = o.version
         WHERE h.step IS DISTINCT FROM o.step OR h.reason IS DISTINCT FROM o.reason
            OR h.recorded_at IS DISTINCT FROM o.updated_at",
    ),
    Written(
        "an order that has ended never changes",
        Breach::Disagreement,
        "SELECT order_id::text FROM orders.order_history h JOIN orders.orders o ON o.id = h.order_id
         WHERE h.step IN ('COMPLETED', 'FAILED', 'CANCELLED') AND h.version < o.version",
    ),
    Written(
        "there is an order under every key",
        Breach::Lost,
        "SELECT k.order_id::text FROM orders.idempotency_keys k
             LEFT JOIN orders.orders o ON o.id = k.order_id AND o.customer_id = k.customer_id
         WHERE o.id IS NULL",
    ),
    Written(
        "an order has one key",
        Breach::Disagreement,
        "SELECT order_id::text FROM orders.idempotency_keys GROUP BY order_id HAVING count(*) > 1",
    ),
    Written(
        "nothing is below zero, and no more set aside than there is",
        Breach::Oversold,
        "SELECT sku FROM inventory.stock WHERE on_hand < 0 OR reserved < 0 OR reserved > on_hand",
    ),
    Written(
        "reserved stock is what reservations hold",
        Breach::Disagreement,
        "SELECT s.sku FROM inventory.stock s LEFT JOIN
             (SELECT line.key AS sku, sum(line.value::bigint) AS held
              FROM inventory.reservations r, jsonb_each_text(r.lines) line
              WHERE r.status = 'RESERVED' GROUP BY 1) r ON r.sku = s.sku
         WHERE s.reserved <> coalesce(r.held, 0)",
    ),
    Written(
        "no order that has ended holds stock",
        Breach::Disagreement,
        "SELECT order_id::text FROM inventory.reservations WHERE status = 'RESERVED'",
    ),
    Written(
        "a completed order's stock is deducted, to the piece",
        Breach::Disagreement,
        "SELECT o.id::text FROM orders.orders o LEFT JOIN inventory.reservations r ON r.order_id = o.id
         WHERE o.status = 'COMPLETED' AND (r.status IS DISTINCT FROM 'DEDUCTED' OR r.lines IS DISTINCT FROM
             (SELECT jsonb_object_agg(sku, qty) FROM
                  (SELECT item->>'sku' AS sku, sum((item->>'qty')::bigint) AS qty
                   FROM jsonb_array_elements(o.items) item GROUP BY 1) line))",
    ),
    Written(
        "stock leaves for completed orders alone",
        Breach::Disagreement,
        "SELECT r.order_id::text FROM inventory.reservations r LEFT JOIN orders.orders o ON r.order_id = o.id
         WHERE r.status = 'DEDUCTED' AND o.status IS DISTINCT FROM 'COMPLETED'",
    ),
    Written(
        "inventory has decided about every order",
        Breach::Disagreement,
        "SELECT id::text FROM orders.orders o
         WHERE NOT EXISTS (SELECT FROM inventory.reservations r WHERE r.order_id = o.id)",
    ),
    Written(
        "an order out of stock was rejected",
        Breach::Disagreement,
        "SELECT o.id::text FROM orders.orders o LEFT JOIN inventory.reservations r ON r.order_id = o.id
         WHERE o.reason = 'OUT_OF_STOCK' AND r.status IS DISTINCT FROM 'REJECTED'",
    ),
    Written(
        "a completed order is paid, in full",
        Breach::Disagreement,
        "SELECT o.id::text FROM orders.orders o LEFT JOIN payments.payments p ON p.order_id = o.id
         WHERE o.status = 'COMPLETED' AND (p.state IS DISTINCT FROM 'CAPTURED'
            OR p.amount_minor IS DISTINCT FROM o.total_minor OR p.currency IS DISTINCT FROM o.currency)",
    ),
    Written(
        "nothing is charged without a completed order",
        Breach::ChargedWithoutOrder,
        "SELECT p.order_id::text FROM payments.payments p LEFT JOIN orders.orders o ON p.order_id = o.id
         WHERE p.state IN ('CAPTURING', 'CAPTURED', 'REFUNDING', 'REFUNDED')
           AND o.status IS DISTINCT FROM 'COMPLETED'",
    ),
    Written(
        "nothing is left authorised or on its way",
        Breach::LeftAuthorised,
        "SELECT order_id::text FROM payments.payments
         WHERE state IN ('AWAITING', 'AUTHORIZING', 'AUTHORIZED', 'CAPTURING', 'VOIDING', 'REFUNDING')",
    ),
    Written(
        "every order has a payment, over its price and its customer's",
        Breach::Disagreement,
        "SELECT o.id::text FROM orders.orders o LEFT JOIN payments.payments p ON p.order_id = o.id
         WHERE p.customer_id IS DISTINCT FROM o.customer_id
            OR p.amount_minor IS DISTINCT FROM o.total_minor OR p.currency IS DISTINCT FROM o.currency",
    ),
    Written(
        "no two payments are one",
        Breach::Disagreement,
        "SELECT payment_id::text FROM payments.payments GROUP BY payment_id HAVING count(*) > 1",
    ),
    Written(
        "payments knows how the order ended",
        Breach::Disagreement,
        "SELECT o.id::text FROM orders.orders o LEFT JOIN payments.payments p ON p.order_id = o.id
         WHERE o.status <> 'PENDING' AND p.order_end IS DISTINCT FROM o.status",
    ),
    Written(
        "an order that was not paid was refused by the provider",
        Breach::Disagreement,
        "SELECT o.id::text FROM orders.orders o LEFT JOIN payments.payments p ON p.order_id = o.id
         WHERE o.reason = 'PAYMENT_FAILED' AND p.state IS DISTINCT FROM 'FAILED'",
    ),
    Written(
        "every order's timer is over",
        Breach::Disagreement,
        "SELECT o.id::text FROM orders.orders o LEFT JOIN expiration.timers t ON t.order_id = o.id
         WHERE t.closed_at IS NULL",
    ),
    Written(
        "no timer is left",
        Breach::Disagreement,
        "SELECT order_id::text FROM expiration.timers WHERE fires_at IS NOT NULL",
    ),
    Written(
        "each customer is told of each order and its end",
        Breach::NotificationMissing,
        "SELECT o.id || ' ' || due.kind FROM orders.orders o
         CROSS JOIN LATERAL (VALUES ('ORDER_RECEIVED'), (CASE
             WHEN o.reason = 'EXPIRED' THEN 'ORDER_EXPIRED' ELSE 'ORDER_' || o.status END)) due (kind)
         LEFT JOIN notification.notifications n
             ON n.order_id = o.id AND n.kind = due.kind AND n.customer_id = o.customer_id
         WHERE n.id IS NULL",
    ),
    Written(
        "every notification is sent",
        Breach::NotificationMissing,
        "SELECT order_id || ' ' || kind FROM notification.notifications WHERE status <> 'SENT'",
    ),
    Written(
        "nobody is told twice, or of what is not so",
        Breach::NotificationDoubled,
        "SELECT n.order_id || ' ' || n.kind FROM notification.notifications n
             LEFT JOIN orders.orders o ON o.id = n.order_id AND o.customer_id = n.customer_id
         WHERE o.id IS NULL OR n.kind NOT IN ('ORDER_RECEIVED',
             CASE WHEN o.reason = 'EXPIRED' THEN 'ORDER_EXPIRED' ELSE 'ORDER_' || o.status END)
         UNION ALL SELECT order_id || ' ' || kind FROM notification.notifications
         GROUP BY order_id, kind HAVING count(*) > 1",
    ),
    Written(
        "mail reaches every user",
        Breach::Disagreement,
        "SELECT u.id::text FROM auth.users u LEFT JOIN notification.recipients r ON r.customer_id = u.id
         WHERE r.email IS DISTINCT FROM u.email",
    ),
    Written(
        "orders takes the catalogue's prices",
        Breach::Disagreement,
        "SELECT sku FROM products.products p FULL JOIN orders.prices o USING (sku)
         WHERE o.version IS DISTINCT FROM p.version OR o.active IS DISTINCT FROM (p.discontinued_at IS NULL)
            OR (o.active AND (o.price_minor, o.currency) IS DISTINCT FROM (p.price_minor, p.currency::text))",
    ),
    Written(
        "the catalogue shows what is in stock",
        Breach::Disagreement,
        "SELECT sku FROM inventory.stock i FULL JOIN products.stock p USING (sku)
         WHERE p.version IS DISTINCT FROM i.version OR p.available IS DISTINCT FROM i.on_hand - i.reserved",
    ),
];

/// The services that take tokens: all but the one without requests.
fn who_checks_tokens() -> impl Iterator<Item = &'static str> {
    SERVICES.into_iter().filter(|service| *service != "expiration")
}

/// Every rule.
pub fn rules() -> Vec<Rule> {
    let written = WRITTEN.iter().map(|Written(name, breach, broken)| Rule {
        name,
        breach: *breach,
        broken: (*broken).to_owned(),
    });
    let of_each = |services: &mut dyn Iterator<Item = &'static str>,
                   query: &dyn Fn(&str) -> String| {
        services.map(query).collect::<Vec<_>>().join(" UNION ALL ")
    };
    let outboxes = Rule {
        name: "every outbox is empty",
        breach: Breach::OutboxRow,
        broken: of_each(&mut SERVICES.into_iter(), &|service| {
            format!(
                "SELECT '{service} ' || (record ->> 'type') || ' ' || (record ->> 'key')
                 FROM {service}.outbox, json_array_elements(convert_from(pack, 'UTF8')::json) AS record"
            )
        }),
    };
    let keys = Rule {
        name: "every service can check tokens",
        breach: Breach::Disagreement,
        broken: of_each(&mut who_checks_tokens(), &|service| {
            format!(
                "SELECT '{service} ' || pair.key_id FROM auth.signing_key_pairs pair
                     LEFT JOIN {service}.signing_keys k USING (key_id)
                 WHERE (k.public_key, k.expires_at) IS DISTINCT FROM (pair.public_key, pair.expires_at)"
            )
        }),
    };
    written.chain([outboxes, keys]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_service_is_asked_for_what_it_has_not_published() {
        for service in SERVICES {
            let table = format!("{service}.outbox");
            assert!(rules().iter().any(|rule| rule.broken.contains(&table)), "{table}");
        }
    }
}
