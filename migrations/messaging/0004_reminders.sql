-- When rows are to be looked at again. The time lies here, and not in an index of the rows themselves: they
-- change several times within seconds, and a change that touches no index costs half.
--
-- A reminder holds the keys of many rows that are due at its time, or up to a second later. It is written in the
-- transaction that makes them due, and taken in the one that looks at them: a row that need not be looked at any
-- more was named for nothing, which costs less than to take its name out.
CREATE TABLE reminders (
    id     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    due_at timestamptz NOT NULL,
    keys   uuid[]      NOT NULL CHECK (cardinality(keys) > 0)
) WITH (
    -- A queue, as the outbox is.
    autovacuum_vacuum_scale_factor = 0,
    autovacuum_vacuum_threshold = 2000,
    autovacuum_analyze_scale_factor = 0,
    autovacuum_analyze_threshold = 1000000
);
CREATE INDEX reminders_due ON reminders (due_at);
