-- Pieces of each product. Every reservation of a product updates its one row, so pages keep room for
-- the new versions beside the old ones.
CREATE TABLE stock (
    -- In the order of its bytes, as the service sorts.
    sku        text COLLATE "C" PRIMARY KEY,
    on_hand    integer     NOT NULL CHECK (on_hand >= 0),
    -- Of those on hand, what orders hold. Never more: the last guard against selling twice.
    reserved   integer     NOT NULL CHECK (reserved >= 0 AND reserved <= on_hand),
    version    bigint      NOT NULL CHECK (version >= 1),
    updated_at timestamptz NOT NULL
) WITH (fillfactor = 80);

-- What was decided for each order, kept for good: it is what makes a repeated event harmless.
CREATE TABLE reservations (
    order_id   uuid        PRIMARY KEY,
    status     text        NOT NULL CHECK (status IN ('RESERVED', 'REJECTED', 'RELEASED', 'DEDUCTED')),
    -- Pieces by SKU, as an object; empty where nothing was ever set aside.
    lines      jsonb       NOT NULL,
    updated_at timestamptz NOT NULL
);
