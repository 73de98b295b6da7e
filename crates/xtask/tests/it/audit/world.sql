-- One customer, two products, and an order of every end.
INSERT INTO auth.users VALUES ('0191c000-0000-7000-8000-0000000000aa', 'ada@example.org', 'hash', 'customer', now());
INSERT INTO notification.recipients SELECT id, email FROM auth.users;
INSERT INTO auth.signing_key_pairs
VALUES ('key', decode(repeat('00', 32), 'hex'), repeat('A', 43), now(), now() + interval '1 day');
INSERT INTO auth.signing_keys SELECT key_id, public_key, not_before, expires_at FROM auth.signing_key_pairs;
INSERT INTO products.signing_keys SELECT * FROM auth.signing_keys;
INSERT INTO orders.signing_keys SELECT * FROM auth.signing_keys;
INSERT INTO payments.signing_keys SELECT * FROM auth.signing_keys;
INSERT INTO inventory.signing_keys SELECT * FROM auth.signing_keys;
INSERT INTO notification.signing_keys SELECT * FROM auth.signing_keys;

INSERT INTO products.products (sku, name, description, category, price_minor, currency, version, created_at, updated_at)
VALUES ('MUG', 'Mug', '', 'cups', 500, 'INR', 2, now(), now()), ('CUP', 'Cup', '', 'cups', 300, 'INR', 1, now(), now());
INSERT INTO orders.prices (sku, price_minor, currency, active, version)
SELECT sku, price_minor, currency, true, version FROM products.products;
INSERT INTO inventory.stock VALUES ('MUG', 8, 0, 5, now()), ('CUP', 0, 0, 1, now());
INSERT INTO products.stock SELECT sku, on_hand, version FROM inventory.stock;

CREATE TEMPORARY TABLE world (id uuid, sku text, status text, reason text, reserved boolean, reservation text, payment text);
INSERT INTO world VALUES
    ('0191c000-0000-7000-8000-000000000001', 'MUG', 'COMPLETED', NULL, true, 'DEDUCTED', 'CAPTURED'),
    ('0191c000-0000-7000-8000-000000000002', 'CUP', 'FAILED', 'OUT_OF_STOCK', false, 'REJECTED', 'CANCELLED'),
    ('0191c000-0000-7000-8000-000000000003', 'MUG', 'FAILED', 'PAYMENT_FAILED', true, 'RELEASED', 'FAILED'),
    ('0191c000-0000-7000-8000-000000000004', 'MUG', 'CANCELLED', 'CUSTOMER', false, 'RELEASED', 'CANCELLED'),
    ('0191c000-0000-7000-8000-000000000005', 'MUG', 'CANCELLED', 'EXPIRED', true, 'RELEASED', 'VOIDED');

CREATE FUNCTION pg_temp.completed() RETURNS uuid IMMUTABLE RETURN '0191c000-0000-7000-8000-000000000001'::uuid;
CREATE FUNCTION pg_temp.out_of_stock() RETURNS uuid IMMUTABLE RETURN '0191c000-0000-7000-8000-000000000002'::uuid;
CREATE FUNCTION pg_temp.declined() RETURNS uuid IMMUTABLE RETURN '0191c000-0000-7000-8000-000000000003'::uuid;
CREATE FUNCTION pg_temp.cancelled() RETURNS uuid IMMUTABLE RETURN '0191c000-0000-7000-8000-000000000004'::uuid;
CREATE FUNCTION pg_temp.expired() RETURNS uuid IMMUTABLE RETURN '0191c000-0000-7000-8000-000000000005'::uuid;

-- Two lines of one product each, three pieces in all.
INSERT INTO orders.orders
SELECT world.id, users.id, status, status, reason, CASE WHEN reserved THEN 3 ELSE 2 END,
       jsonb_build_array(jsonb_build_object('sku', sku, 'qty', 2, 'price', price_minor),
                         jsonb_build_object('sku', sku, 'qty', 1, 'price', price_minor)),
       3 * price_minor, currency, NULL, 'trace', now(), now(), now() + interval '1 hour'
FROM world JOIN products.products USING (sku), auth.users;
INSERT INTO orders.idempotency_keys
SELECT customer_id, id::text, decode(repeat('00', 32), 'hex'), id FROM orders.orders;
INSERT INTO orders.order_history (order_id, version, step, cause, recorded_at)
SELECT id, 1, 'CREATED', 'OrderPlaced', created_at FROM orders.orders;
INSERT INTO orders.order_history (order_id, version, step, cause, recorded_at)
SELECT id, 2, 'INVENTORY_RESERVED', 'InventoryReserved', created_at FROM orders.orders WHERE version = 3;
INSERT INTO orders.order_history (order_id, version, step, reason, cause, recorded_at)
SELECT id, version, step, reason, 'its end', updated_at FROM orders.orders;

INSERT INTO inventory.reservations
SELECT id, reservation, CASE WHEN reserved THEN jsonb_build_object(sku, 3) ELSE '{}' END, now() FROM world;
INSERT INTO payments.payments (order_id, payment_id, customer_id, amount_minor, currency, method, reserved,
                               order_end, state, attempt, reference, traceparent, version, created_at, updated_at)
SELECT o.id, uuidv7(), o.customer_id, o.total_minor, o.currency, 'pm', world.reserved,
       o.status, world.payment, 1, 'reference', 'trace', 1, now(), now()
FROM world JOIN orders.orders o USING (id);
INSERT INTO expiration.timers (order_id, closed_at) SELECT id, now() FROM world;
INSERT INTO notification.notifications (id, order_id, customer_id, kind, subject, body, status, sent_at)
SELECT uuidv7(), id, customer_id, kind, '', '', 'SENT', now() FROM orders.orders,
       LATERAL (VALUES ('ORDER_RECEIVED'),
                       (CASE WHEN reason = 'EXPIRED' THEN 'ORDER_EXPIRED' ELSE 'ORDER_' || status END)) told (kind);
