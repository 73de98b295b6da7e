-- The public halves of the keys that sign access tokens, as published by auth.
CREATE TABLE signing_keys (
    key_id     text PRIMARY KEY,
    -- 32 bytes in base64url, the `x` of a JWK.
    public_key text NOT NULL CHECK (length(public_key) = 43),
    not_before timestamptz NOT NULL,
    expires_at timestamptz NOT NULL
);
