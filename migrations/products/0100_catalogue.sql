-- The catalogue, and what the warehouse says of it.

-- Words as the search compares them: lower case, cut at everything that is neither letter nor digit.
CREATE FUNCTION search_text(text) RETURNS text
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN regexp_replace(lower($1 COLLATE pg_c_utf8), '[^[:alnum:]]+', ' ', 'g');

CREATE TABLE products (
    sku             text        COLLATE "C" PRIMARY KEY,
    name            text        NOT NULL,
    description     text        NOT NULL,
    category        text        NOT NULL,
    price_minor     bigint      NOT NULL CHECK (price_minor >= 0),
    currency        char(3)     NOT NULL,
    version         bigint      NOT NULL CHECK (version >= 1),
    discontinued_at timestamptz,
    created_at      timestamptz NOT NULL,
    updated_at      timestamptz NOT NULL,
    search          tsvector    NOT NULL GENERATED ALWAYS AS (to_tsvector('simple',
        search_text(sku || ' ' || name || ' ' || category || ' ' || description))) STORED
);

-- Kept current at once: a list of pending entries makes the planner shun the index, and products
-- change seldom.
CREATE INDEX products_search ON products USING gin (search) WITH (fastupdate = off);
CREATE INDEX products_category ON products (category, sku) WHERE discontinued_at IS NULL;

-- Apart from the products: the warehouse may tell of a SKU before the catalogue has it, and its
-- many changes must neither wait for an admin's transaction nor count as changes of the product.
CREATE TABLE stock (
    sku       text   COLLATE "C" PRIMARY KEY,
    available bigint NOT NULL CHECK (available >= 0),
    version   bigint NOT NULL
);
