-- An order and kind is what makes a notification; each index that a row does not have is one that none of
-- its changes has to touch.
ALTER TABLE notifications
    DROP CONSTRAINT notifications_pkey,
    DROP CONSTRAINT notifications_order_id_kind_key,
    ADD PRIMARY KEY (order_id, kind);
