-- What customers are told of their orders, and where mail reaches them.

CREATE TABLE recipients (
    customer_id uuid PRIMARY KEY,
    email       text NOT NULL
);

CREATE TABLE notifications (
    id              uuid        PRIMARY KEY,
    order_id        uuid        NOT NULL,
    -- Unknown while the only event heard of the order did not name the customer.
    customer_id     uuid,
    kind            text        NOT NULL CHECK (kind IN
        ('ORDER_RECEIVED', 'ORDER_COMPLETED', 'ORDER_FAILED', 'ORDER_CANCELLED', 'ORDER_EXPIRED')),
    subject         text        NOT NULL,
    body            text        NOT NULL,
    status          text        NOT NULL DEFAULT 'QUEUED' CHECK (status IN ('QUEUED', 'SENT', 'FAILED')),
    -- How often it was handed to the mail server.
    attempts        integer     NOT NULL DEFAULT 0 CHECK (attempts >= 0),
    -- While it is being sent, when another worker may take it over.
    next_attempt_at timestamptz NOT NULL DEFAULT now(),
    sent_at         timestamptz CHECK ((sent_at IS NOT NULL) = (status = 'SENT')),
    created_at      timestamptz NOT NULL DEFAULT now(),
    UNIQUE (order_id, kind)
);

CREATE INDEX notifications_due ON notifications (next_attempt_at) WHERE status = 'QUEUED';
CREATE INDEX notifications_of_customer ON notifications (customer_id, created_at DESC, id DESC);
