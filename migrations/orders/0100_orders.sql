-- Orders and where each stands. Ids are UUIDv7: the newest order of a customer is the highest.
CREATE TABLE orders (
    id             uuid PRIMARY KEY,
    customer_id    uuid        NOT NULL,
    status         text        NOT NULL CHECK (status IN ('PENDING', 'COMPLETED', 'FAILED', 'CANCELLED')),
    step           text        NOT NULL CHECK (step IN ('CREATED', 'INVENTORY_RESERVED', 'PAYMENT_AUTHORIZED',
                                                        'COMPLETED', 'FAILED', 'CANCELLED')),
    -- Why it failed or was cancelled.
    reason         text        CHECK (reason IN ('OUT_OF_STOCK', 'PAYMENT_FAILED', 'CUSTOMER', 'EXPIRED')),
    version        integer     NOT NULL CHECK (version >= 1),
    -- [{"sku", "qty", "price"}], the price of one piece in minor units, as it was when the order was placed.
    items          jsonb       NOT NULL,
    total_minor    bigint      NOT NULL CHECK (total_minor >= 0),
    currency       text        NOT NULL CHECK (length(currency) = 3),
    payment_method text,
    -- The W3C trace it was placed in; whatever it causes later belongs to the same.
    traceparent    text        NOT NULL,
    created_at     timestamptz NOT NULL,
    updated_at     timestamptz NOT NULL,
    expires_at     timestamptz NOT NULL,
    CHECK ((reason IS NOT NULL) = (status IN ('FAILED', 'CANCELLED')))
) WITH (
    -- Room for the two or three versions of a row: no indexed column ever changes, so updates that find
    -- room on their page touch no index.
    fillfactor = 80
);

CREATE INDEX orders_by_customer ON orders (customer_id, id);

-- Every change of an order, the first included. No foreign key: rows are written with their order, in
-- one transaction, and the check would cost each of them a lock.
CREATE TABLE order_history (
    order_id    uuid        NOT NULL,
    version     integer     NOT NULL,
    step        text        NOT NULL,
    reason      text,
    -- What led to it, such as PaymentAuthorized.
    cause       text        NOT NULL,
    -- The event it came with; none for what the customer did.
    event_id    uuid,
    recorded_at timestamptz NOT NULL,
    PRIMARY KEY (order_id, version)
);

-- Keys under which customers have placed orders; kept as long as the orders, so that a key never places
-- a second one.
CREATE TABLE idempotency_keys (
    customer_id  uuid        NOT NULL,
    key          text        COLLATE "C" NOT NULL,
    -- SHA-256 of the request.
    request_hash bytea       NOT NULL CHECK (length(request_hash) = 32),
    order_id     uuid        NOT NULL,
    created_at   timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (customer_id, key)
);

-- This service's own copy of the catalogue, kept from the events of products.
CREATE TABLE prices (
    sku         text COLLATE "C" PRIMARY KEY,
    price_minor bigint  CHECK (price_minor >= 0),
    currency    text    CHECK (length(currency) = 3),
    -- Whether it can be ordered.
    active      boolean NOT NULL,
    -- The product's version that this row tells of; older news are ignored.
    version     bigint  NOT NULL,
    CHECK (NOT active OR (price_minor IS NOT NULL AND currency IS NOT NULL))
);
