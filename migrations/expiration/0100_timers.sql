-- One row per order that was heard of. A timer is set while fires_at is there; once the order has ended or
-- the timer has fired, the row stays as the memory of it, so that a repeated or late OrderCreated sets no
-- second one.
CREATE TABLE timers (
    order_id    uuid PRIMARY KEY,
    fires_at    timestamptz,
    -- The trace of the order, where it was heard of before its end.
    traceparent text,
    closed_at   timestamptz,
    CHECK ((fires_at IS NULL) <> (closed_at IS NULL)),
    CHECK (fires_at IS NULL OR traceparent IS NOT NULL)
);

CREATE INDEX timers_set ON timers (fires_at, order_id) WHERE fires_at IS NOT NULL;
