-- One row an order that was heard of. A timer that fired or was dropped stays as a marker, so that no
-- late or repeated OrderCreated sets it again; markers are deleted when the order is old.
CREATE TABLE timers (
    order_id    uuid PRIMARY KEY,
    -- When to fire; null once there is nothing to wait for any more.
    fires_at    timestamptz,
    -- Of the OrderCreated that set the timer, for the event it fires.
    traceparent text,
    CHECK ((fires_at IS NULL) = (traceparent IS NULL))
);

CREATE INDEX timers_due ON timers (fires_at, order_id) WHERE fires_at IS NOT NULL;
