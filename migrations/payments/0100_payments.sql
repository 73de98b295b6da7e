-- One payment an order, from the first that is heard of the order. Kept for good: it is what makes a
-- repeated or late event harmless.
CREATE TABLE payments (
    order_id     uuid        PRIMARY KEY,
    payment_id   uuid        NOT NULL,
    -- Known once the order itself is heard of, which may be after its stock or its end.
    customer_id  uuid,
    -- In the currency's smallest units.
    amount_minor bigint      CHECK (amount_minor >= 0),
    currency     char(3),
    -- The provider's token of what is paid with.
    method       text,
    -- Whether the order's stock is set aside.
    reserved     boolean     NOT NULL,
    order_end    text        CHECK (order_end IN ('COMPLETED', 'FAILED', 'CANCELLED')),
    state        text        NOT NULL CHECK (state IN (
                                 'AWAITING', 'AUTHORIZING', 'AUTHORIZED', 'FAILED', 'CAPTURING', 'CAPTURED',
                                 'VOIDING', 'VOIDED', 'REFUNDING', 'REFUNDED', 'CANCELLED')),
    -- When the provider is to be asked next; while it is being asked, the end of the lease.
    due_at       timestamptz,
    -- How often it was asked for the latest operation.
    attempt      integer     NOT NULL CHECK (attempt >= 0),
    -- The provider's name for the authorisation.
    reference    text,
    -- Why it would not authorise.
    failure      text,
    -- The W3C trace of what changed the payment last; the provider's answers belong to it.
    traceparent  text        NOT NULL,
    version      bigint      NOT NULL CHECK (version >= 1),
    created_at   timestamptz NOT NULL,
    updated_at   timestamptz NOT NULL,
    CHECK ((customer_id IS NULL) = (amount_minor IS NULL) AND (customer_id IS NULL) = (currency IS NULL)),
    -- Whatever waits for the provider is asked for again and again until it answers.
    CHECK ((due_at IS NOT NULL) = (state IN ('AUTHORIZING', 'CAPTURING', 'VOIDING', 'REFUNDING'))),
    -- Nothing is asked of the provider without a price and something to pay with.
    CHECK (state IN ('AWAITING', 'CANCELLED') OR (customer_id IS NOT NULL AND method IS NOT NULL)),
    -- The last guard against charging for an order that was not completed.
    CHECK (state NOT IN ('CAPTURING', 'CAPTURED') OR order_end IS NOT NULL),
    CHECK (state NOT IN ('AUTHORIZED', 'CAPTURING', 'CAPTURED', 'VOIDING', 'VOIDED', 'REFUNDING', 'REFUNDED')
           OR reference IS NOT NULL)
) WITH (
    -- A row has some five versions within seconds; room beside it for those that touch no index.
    fillfactor = 80
);

-- What the worker looks for. Holds only what is to be asked or is being asked.
CREATE INDEX payments_due ON payments (due_at, order_id) WHERE due_at IS NOT NULL;
