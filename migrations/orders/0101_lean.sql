-- One check in place of four: each is evaluated with each change.
ALTER TABLE orders
    DROP CONSTRAINT orders_check,
    DROP CONSTRAINT orders_status_check,
    DROP CONSTRAINT orders_step_check,
    DROP CONSTRAINT orders_reason_check,
    ADD CONSTRAINT orders_check CHECK (
        CASE status
            WHEN 'PENDING' THEN reason IS NULL AND step IN ('CREATED', 'INVENTORY_RESERVED', 'PAYMENT_AUTHORIZED')
            WHEN 'COMPLETED' THEN reason IS NULL AND step = status
            WHEN 'FAILED' THEN coalesce(reason, '') IN ('OUT_OF_STOCK', 'PAYMENT_FAILED') AND step = status
            WHEN 'CANCELLED' THEN coalesce(reason, '') IN ('CUSTOMER', 'EXPIRED') AND step = status
            ELSE false
        END),
    SET (fillfactor = 60);
