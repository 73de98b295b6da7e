//! Tables, and what each transaction does to them. $1 are the orders, $2 their SKUs, $3 an event.

/// What the orders, the inventory and the payments keep of an order, and the events they publish, those of a
/// transaction in one row.
pub const TABLES: &str = "
    DROP TABLE IF EXISTS orders, history, stock, reservations, payments, outbox;
    CREATE TABLE orders (
        id uuid PRIMARY KEY, customer_id uuid NOT NULL, status text NOT NULL, sku integer NOT NULL,
        total bigint NOT NULL, created_at timestamptz NOT NULL
    ) WITH (fillfactor = 80);
    CREATE TABLE history (
        order_id uuid, version integer, step text NOT NULL, recorded_at timestamptz NOT NULL,
        PRIMARY KEY (order_id, version)
    );
    CREATE TABLE stock (
        sku integer PRIMARY KEY, on_hand integer NOT NULL, reserved integer NOT NULL
    ) WITH (fillfactor = 80);
    CREATE TABLE reservations (order_id uuid PRIMARY KEY, status text NOT NULL, sku integer NOT NULL)
        WITH (fillfactor = 80);
    CREATE TABLE payments (order_id uuid PRIMARY KEY, status text NOT NULL, amount bigint NOT NULL)
        WITH (fillfactor = 80);
    CREATE TABLE outbox (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, pack bytea NOT NULL);
    ALTER TABLE outbox ALTER COLUMN pack SET STORAGE EXTERNAL";

/// Enough of each of $1 SKUs.
pub const STOCK: &str =
    "INSERT INTO stock SELECT sku, 1000000000, 0 FROM generate_series(0, $1 - 1) AS sku";

const PUBLISH: &str = "INSERT INTO outbox (pack)
    SELECT string_agg($3::bytea, '') FROM UNNEST($1::uuid[], $2::integer[]) AS o (id, sku)";

/// An order, its first step, and the event of it.
pub const PLACE: &[&str] = &[
    "INSERT INTO orders SELECT id, id, 'PENDING', sku, length($3::bytea), now()
     FROM UNNEST($1::uuid[], $2::integer[]) AS o (id, sku)",
    "INSERT INTO history SELECT id, 1, 'CREATED', now()
     FROM UNNEST($1::uuid[], $2::integer[]) AS o (id, sku)",
    PUBLISH,
];

/// Pieces set aside.
pub const RESERVE: &[&str] = &[
    "UPDATE stock SET reserved = reserved + qty
     FROM (SELECT sku, count(*) AS qty FROM UNNEST($1::uuid[], $2::integer[])
           AS o (id, sku) GROUP BY sku) AS due WHERE stock.sku = due.sku",
    "INSERT INTO reservations SELECT id, 'RESERVED', sku
     FROM UNNEST($1::uuid[], $2::integer[]) AS o (id, sku)",
    PUBLISH,
];

/// A payment.
pub const AUTHORISE: &[&str] = &[
    "INSERT INTO payments SELECT id, 'AUTHORIZED', length($3::bytea)
     FROM UNNEST($1::uuid[], $2::integer[]) AS o (id, sku)",
    PUBLISH,
];

/// The end of the order.
pub const COMPLETE: &[&str] = &[
    "UPDATE orders SET status = 'COMPLETED'
     FROM UNNEST($1::uuid[], $2::integer[]) AS o (id, sku)
     WHERE orders.id = o.id",
    "INSERT INTO history SELECT id, 2, 'COMPLETED', now()
     FROM UNNEST($1::uuid[], $2::integer[]) AS o (id, sku)",
    PUBLISH,
];

/// The pieces are gone, and the money is there.
pub const SETTLE: &[&str] = &[
    "UPDATE stock SET reserved = reserved - qty, on_hand = on_hand - qty
     FROM (SELECT sku, count(*) AS qty FROM UNNEST($1::uuid[], $2::integer[])
           AS o (id, sku) GROUP BY sku) AS due WHERE stock.sku = due.sku",
    "UPDATE reservations SET status = 'DEDUCTED'
     FROM UNNEST($1::uuid[], $2::integer[]) AS o (id, sku)
     WHERE reservations.order_id = o.id",
    "UPDATE payments SET status = 'CAPTURED'
     FROM UNNEST($1::uuid[], $2::integer[]) AS o (id, sku)
     WHERE payments.order_id = o.id",
];
