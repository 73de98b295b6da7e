-- Fewer and larger rows: what a row costs, not what is in it, is what an event costs.

-- Events waiting to be published, those of a transaction together. Rows are inserted in the transaction
-- that changes the state they tell of, after its lock was taken, so rows that hold events of one key ascend
-- in commit order. The relay publishes in id order and deletes a row once the broker has acknowledged all
-- that is in it.
--
-- What waits is published before: stop the service, all replicas but the one whose relay empties the outbox
-- first. Replicas of the old version cannot go on beside this.
LOCK TABLE outbox;
DO $$
BEGIN
    IF EXISTS (SELECT FROM outbox) THEN
        RAISE EXCEPTION 'events wait in the outbox; let the running version publish them first';
    END IF;
END
$$;
DROP TABLE outbox;
CREATE TABLE outbox (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    recorded_at timestamptz NOT NULL,
    -- How many there are in the pack.
    records     integer     NOT NULL CHECK (records > 0),
    -- A JSON array of them, in order: `SELECT convert_from(pack, 'UTF8') FROM outbox` shows it.
    pack        bytea       NOT NULL
) WITH (
    -- A row may fill its page; what is larger lies elsewhere.
    toast_tuple_target = 8160,
    -- A queue: rows live for milliseconds, so dead ones are cleared early and often.
    autovacuum_vacuum_scale_factor = 0,
    autovacuum_vacuum_threshold = 2000,
    autovacuum_analyze_scale_factor = 0,
    autovacuum_analyze_threshold = 1000000
);
-- Compressing what is read and deleted at once costs more than it saves.
ALTER TABLE outbox ALTER COLUMN pack SET STORAGE EXTERNAL;

-- Ids of the events this service has processed, those of a batch together. They are UUIDv7, whose first bits
-- are a time: a slot is 64 ms of it. So the ids that a batch may share with an earlier one lie in few rows.
DROP TABLE inbox;
CREATE TABLE inbox (
    slot      bigint NOT NULL,
    event_ids uuid[] NOT NULL
) WITH (toast_tuple_target = 8160);
ALTER TABLE inbox ALTER COLUMN event_ids SET STORAGE EXTERNAL;
CREATE INDEX inbox_slot ON inbox (slot);

-- The same, one by one, for people.
CREATE VIEW processed_events AS SELECT event_id FROM inbox CROSS JOIN UNNEST(event_ids) AS event_id;
