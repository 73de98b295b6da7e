-- What became of a dead letter: open until it is redriven or discarded. A row is never deleted by the
-- services; it is the record of what happened.
ALTER TABLE dead_letters
    -- Whether event_id is in the inbox because of this dead letter and not because somebody processed the
    -- event. Rows of replicas that do not know the column say so: handling an event twice is harmless,
    -- passing over it is not.
    ADD COLUMN marked_inbox   boolean NOT NULL DEFAULT true,
    ADD COLUMN redriven_at    timestamptz,
    ADD COLUMN discarded_at   timestamptz,
    ADD COLUMN discard_reason text,
    -- Who redrove or discarded it.
    ADD COLUMN closed_by      text,
    ADD CHECK (redriven_at IS NULL OR discarded_at IS NULL),
    ADD CHECK ((discarded_at IS NULL) = (discard_reason IS NULL)),
    ADD CHECK ((coalesce(redriven_at, discarded_at) IS NULL) = (closed_by IS NULL));

-- Few are open at a time, however many there were.
CREATE INDEX dead_letters_open ON dead_letters (id) WHERE redriven_at IS NULL AND discarded_at IS NULL;
CREATE INDEX dead_letters_event ON dead_letters (event_id) WHERE event_id IS NOT NULL;
