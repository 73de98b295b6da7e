-- For each rule, named by a heading, changes of the world that break it, each once. Changes are apart by an empty
-- line.

--- every order has ended
UPDATE orders.orders SET status = 'PENDING', step = 'CREATED', reason = NULL WHERE id = pg_temp.cancelled();

--- an order costs what its lines cost
UPDATE orders.orders SET total_minor = 1 WHERE id = pg_temp.completed();

--- history has every version once
UPDATE orders.orders SET version = 4 WHERE id = pg_temp.completed();

DELETE FROM orders.order_history WHERE order_id = pg_temp.completed() AND version = 2;

--- history ends where the order stands
UPDATE orders.order_history SET step = 'CREATED' WHERE order_id = pg_temp.completed() AND version = 3;

UPDATE orders.order_history SET reason = 'EXPIRED' WHERE order_id = pg_temp.cancelled() AND version = 2;

UPDATE orders.order_history SET recorded_at = now() + interval '1 s'
WHERE order_id = pg_temp.cancelled() AND version = 2;

--- an order that has ended never changes
UPDATE orders.order_history SET step = 'FAILED' WHERE order_id = pg_temp.completed() AND version = 2;

--- there is an order under every key
DELETE FROM orders.orders WHERE id = pg_temp.completed();

UPDATE orders.orders SET customer_id = id WHERE id = pg_temp.completed();

--- an order has one key
INSERT INTO orders.idempotency_keys SELECT customer_id, 'another', request_hash, order_id
FROM orders.idempotency_keys WHERE order_id = pg_temp.completed();

--- nothing is below zero, and no more set aside than there is
ALTER TABLE inventory.stock DROP CONSTRAINT stock_on_hand_check, DROP CONSTRAINT stock_check;
UPDATE inventory.stock SET on_hand = -1 WHERE sku = 'MUG';

ALTER TABLE inventory.stock DROP CONSTRAINT stock_check;
UPDATE inventory.stock SET reserved = -1 WHERE sku = 'MUG';

ALTER TABLE inventory.stock DROP CONSTRAINT stock_check;
UPDATE inventory.stock SET reserved = on_hand + 1 WHERE sku = 'MUG';

--- reserved stock is what reservations hold
UPDATE inventory.stock SET reserved = 1 WHERE sku = 'MUG';

UPDATE inventory.reservations SET status = 'RESERVED' WHERE order_id = pg_temp.expired();

--- no order that has ended holds stock
UPDATE inventory.reservations SET status = 'RESERVED' WHERE order_id = pg_temp.expired();

--- a completed order's stock is deducted, to the piece
UPDATE inventory.reservations SET status = 'RELEASED' WHERE order_id = pg_temp.completed();

UPDATE inventory.reservations SET lines = '{"MUG": 1}' WHERE order_id = pg_temp.completed();

DELETE FROM inventory.reservations WHERE order_id = pg_temp.completed();

--- stock leaves for completed orders alone
UPDATE inventory.reservations SET status = 'DEDUCTED' WHERE order_id = pg_temp.cancelled();

--- inventory has decided about every order
DELETE FROM inventory.reservations WHERE order_id = pg_temp.cancelled();

--- an order out of stock was rejected
UPDATE inventory.reservations SET status = 'RELEASED' WHERE order_id = pg_temp.out_of_stock();

--- a completed order is paid, in full
UPDATE payments.payments SET state = 'VOIDED' WHERE order_id = pg_temp.completed();

UPDATE payments.payments SET amount_minor = amount_minor - 1 WHERE order_id = pg_temp.completed();

UPDATE payments.payments SET currency = 'USD' WHERE order_id = pg_temp.completed();

DELETE FROM payments.payments WHERE order_id = pg_temp.completed();

--- nothing is charged without a completed order
UPDATE payments.payments SET state = 'CAPTURED' WHERE order_id = pg_temp.cancelled();

UPDATE payments.payments SET state = 'REFUNDED' WHERE order_id = pg_temp.cancelled();

DELETE FROM orders.orders WHERE id = pg_temp.completed();

--- nothing is left authorised or on its way
UPDATE payments.payments SET state = 'AUTHORIZED' WHERE order_id = pg_temp.cancelled();

UPDATE payments.payments SET state = 'AUTHORIZING', due_at = now() WHERE order_id = pg_temp.cancelled();

UPDATE payments.payments SET state = 'VOIDING', due_at = now() WHERE order_id = pg_temp.cancelled();

UPDATE payments.payments SET state = 'AWAITING' WHERE order_id = pg_temp.cancelled();

--- every order has a payment, over its price and its customer's
DELETE FROM payments.payments WHERE order_id = pg_temp.cancelled();

UPDATE payments.payments SET amount_minor = 1 WHERE order_id = pg_temp.cancelled();

UPDATE payments.payments SET customer_id = order_id WHERE order_id = pg_temp.cancelled();

--- no two payments are one
UPDATE payments.payments SET payment_id = (SELECT payment_id FROM payments.payments WHERE order_id = pg_temp.expired())
WHERE order_id = pg_temp.completed();

--- payments knows how the order ended
UPDATE payments.payments SET order_end = 'FAILED' WHERE order_id = pg_temp.completed();

--- an order that was not paid was refused by the provider
UPDATE payments.payments SET state = 'CANCELLED' WHERE order_id = pg_temp.declined();

--- every order's timer is over
DELETE FROM expiration.timers WHERE order_id = pg_temp.completed();

UPDATE expiration.timers SET fires_at = now(), closed_at = NULL, traceparent = 't' WHERE order_id = pg_temp.completed();

--- no timer is left
INSERT INTO expiration.timers VALUES (uuidv7(), now(), 't');

--- each customer is told of each order and its end
DELETE FROM notification.notifications WHERE order_id = pg_temp.completed() AND kind = 'ORDER_COMPLETED';

DELETE FROM notification.notifications WHERE order_id = pg_temp.declined() AND kind = 'ORDER_FAILED';

DELETE FROM notification.notifications WHERE order_id = pg_temp.expired() AND kind = 'ORDER_EXPIRED';

DELETE FROM notification.notifications WHERE order_id = pg_temp.cancelled() AND kind = 'ORDER_RECEIVED';

UPDATE notification.notifications SET customer_id = NULL
WHERE order_id = pg_temp.cancelled() AND kind = 'ORDER_CANCELLED';

--- every notification is sent
UPDATE notification.notifications SET status = 'QUEUED', sent_at = NULL
WHERE order_id = pg_temp.cancelled() AND kind = 'ORDER_CANCELLED';

UPDATE notification.notifications SET status = 'FAILED', sent_at = NULL
WHERE order_id = pg_temp.cancelled() AND kind = 'ORDER_CANCELLED';

--- nobody is told twice, or of what is not so
UPDATE notification.notifications SET kind = 'ORDER_EXPIRED'
WHERE order_id = pg_temp.cancelled() AND kind = 'ORDER_CANCELLED';

INSERT INTO notification.notifications (id, order_id, kind, subject, body)
VALUES (uuidv7(), uuidv7(), 'ORDER_RECEIVED', '', '');

ALTER TABLE notification.notifications DROP CONSTRAINT notifications_pkey;
INSERT INTO notification.notifications (id, order_id, customer_id, kind, subject, body, status, sent_at)
SELECT uuidv7(), order_id, customer_id, kind, subject, body, status, sent_at FROM notification.notifications
WHERE order_id = pg_temp.cancelled() AND kind = 'ORDER_CANCELLED';

--- mail reaches every user
DELETE FROM notification.recipients;

UPDATE notification.recipients SET email = 'x@example.org';

--- orders takes the catalogue's prices
UPDATE orders.prices SET price_minor = 1 WHERE sku = 'MUG';

UPDATE orders.prices SET active = false WHERE sku = 'MUG';

UPDATE orders.prices SET version = version - 1 WHERE sku = 'MUG';

DELETE FROM orders.prices WHERE sku = 'MUG';

--- the catalogue shows what is in stock
UPDATE products.stock SET available = available + 1 WHERE sku = 'MUG';

UPDATE products.stock SET version = version - 1 WHERE sku = 'MUG';

DELETE FROM products.stock WHERE sku = 'MUG';

--- every outbox is empty
INSERT INTO auth.outbox (recorded_at, records, pack)
VALUES (now(), 1, convert_to('[{"type":"UserRegistered","key":"k"}]', 'UTF8'));

INSERT INTO orders.outbox (recorded_at, records, pack)
VALUES (now(), 1, convert_to('[{"type":"OrderCreated","key":"k"}]', 'UTF8'));

--- every service can check tokens
DELETE FROM auth.signing_keys;

DELETE FROM inventory.signing_keys;

UPDATE orders.signing_keys SET expires_at = expires_at + interval '1 s';
