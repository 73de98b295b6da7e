-- What every service needs to take part in the event flow, in its own schema.

-- Events waiting to be published. Rows are inserted in the transaction that changes the state they
-- tell of, after its lock was taken, so ids of one key ascend in commit order. The relay publishes in
-- id order and deletes a row once the broker has acknowledged it.
CREATE TABLE outbox (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    event_id     uuid        NOT NULL,
    topic        text        NOT NULL,
    key          text        NOT NULL,
    event_type   text        NOT NULL,
    traceparent  text        NOT NULL,
    occurred_at  timestamptz NOT NULL,
    payload      bytea       NOT NULL,
    -- Set on copies of dead letters only: the exact headers, as [[name, value], …].
    headers      jsonb
) WITH (
    -- A queue: rows live for milliseconds, so dead ones are cleared early and often.
    autovacuum_vacuum_scale_factor = 0,
    autovacuum_vacuum_threshold = 2000,
    autovacuum_analyze_scale_factor = 0,
    autovacuum_analyze_threshold = 1000000
);

-- Ids of the events this service has processed. They are UUIDv7, so inserts go to the right edge of
-- the index and pruning by age is a range.
CREATE TABLE inbox (
    event_id uuid PRIMARY KEY
);

-- Records that can never be processed, kept whole.
CREATE TABLE dead_letters (
    id              uuid PRIMARY KEY,
    topic           text        NOT NULL,
    partition       integer     NOT NULL,
    record_offset   bigint      NOT NULL,
    key             bytea,
    header_names    text[]      NOT NULL,
    header_values   bytea[]     NOT NULL,
    payload         bytea,
    event_id        uuid,
    event_type      text,
    -- The error and its causes, outermost first.
    errors          text[]      NOT NULL,
    attempts        integer     NOT NULL CHECK (attempts >= 1),
    first_failed_at timestamptz NOT NULL,
    last_failed_at  timestamptz NOT NULL,
    UNIQUE (topic, partition, record_offset)
);
