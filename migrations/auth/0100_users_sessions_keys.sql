-- Everybody who signed up, admins included.
CREATE TABLE users (
    id            uuid PRIMARY KEY,
    -- Without blanks around it, in lower case.
    email         text NOT NULL UNIQUE CHECK (length(email) <= 254),
    -- Argon2id in PHC format: parameters, salt and hash.
    password_hash text NOT NULL,
    role          text NOT NULL CHECK (role IN ('customer', 'admin')),
    registered_at timestamptz NOT NULL
);

-- One sign-in on one device, and the family of refresh tokens that came of it.
CREATE TABLE sessions (
    id              uuid PRIMARY KEY,
    user_id         uuid NOT NULL REFERENCES users,
    started_at      timestamptz NOT NULL,
    -- SHA-256 of the one refresh token that is good; the others of the session are spent.
    live_token      bytea NOT NULL CHECK (octet_length(live_token) = 32),
    -- When the live token ends, and the session with it.
    expires_at      timestamptz NOT NULL,
    revoked_at      timestamptz,
    revoked_because text CHECK (revoked_because IN ('SIGN_OUT', 'REUSE', 'PROMOTION')),
    CHECK ((revoked_at IS NULL) = (revoked_because IS NULL))
);
CREATE INDEX sessions_user_id ON sessions (user_id);
CREATE INDEX sessions_expires_at ON sessions (expires_at);

-- Every refresh token of a session that has not expired, the spent ones too: they tell of theft.
-- Rows never change, so that a lock on the session is all a refresh needs.
CREATE TABLE refresh_tokens (
    -- SHA-256; the token itself is nowhere.
    token_hash bytea PRIMARY KEY CHECK (octet_length(token_hash) = 32),
    session_id uuid NOT NULL REFERENCES sessions ON DELETE CASCADE,
    expires_at timestamptz NOT NULL
);
CREATE INDEX refresh_tokens_session_id ON refresh_tokens (session_id);
CREATE INDEX refresh_tokens_expires_at ON refresh_tokens (expires_at);

-- Sign-ins that have not succeeded, for each account and each client address.
CREATE TABLE sign_in_attempts (
    -- SHA-256 of what was tried, so that the table names nobody.
    key             bytea PRIMARY KEY CHECK (octet_length(key) = 32),
    -- Oldest first, no more than the limit.
    attempted_at    timestamptz[] NOT NULL,
    last_attempt_at timestamptz NOT NULL
);
CREATE INDEX sign_in_attempts_last_attempt_at ON sign_in_attempts (last_attempt_at);

-- The keys that sign access tokens. The private halves are stored as they are: whoever can read
-- this table can sign for anybody. Only auth's role can, and so can the backups of this schema.
-- They are deleted when the last token they may have signed has expired.
CREATE TABLE signing_key_pairs (
    key_id      text PRIMARY KEY,
    -- The 32 bytes of an Ed25519 seed.
    private_key bytea NOT NULL CHECK (octet_length(private_key) = 32),
    -- 32 bytes in base64url, the `x` of a JWK.
    public_key  text NOT NULL CHECK (length(public_key) = 43),
    -- Signs from here on, until a later key does.
    not_before  timestamptz NOT NULL,
    -- No token signed with it is valid after.
    expires_at  timestamptz NOT NULL
);
