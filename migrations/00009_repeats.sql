-- +goose Up
-- The first results of calls with an Idempotency-Key, for 24 hours.
CREATE TABLE idempotency_keys (
    account_id  uuid        NOT NULL,
    key_digest  bytea       NOT NULL, -- of the operation and the client's key
    call_digest bytea       NOT NULL, -- of the whole call
    result      jsonb       NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT now(),

    CONSTRAINT idempotency_keys_pkey PRIMARY KEY (account_id, key_digest),
    CONSTRAINT idempotency_keys_key_digest_length CHECK (octet_length(key_digest) = 32),
    CONSTRAINT idempotency_keys_call_digest_length CHECK (octet_length(call_digest) = 32),
    CONSTRAINT idempotency_keys_created_at_finite CHECK (isfinite(created_at))
);
CREATE INDEX idempotency_keys_by_age ON idempotency_keys (created_at);

-- Which organization a creation without an Idempotency-Key made, for 10 minutes: the
-- official clients retry without a key. Identical creations have the same digest.
CREATE TABLE org_creations (
    account_id  uuid        NOT NULL,
    call_digest bytea       NOT NULL,
    org_id      uuid        NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT now(),

    CONSTRAINT org_creations_pkey PRIMARY KEY (account_id, call_digest, org_id),
    CONSTRAINT org_creations_call_digest_length CHECK (octet_length(call_digest) = 32),
    CONSTRAINT org_creations_created_at_finite CHECK (isfinite(created_at))
);
CREATE INDEX org_creations_by_age ON org_creations (created_at);

-- +goose Down
DROP TABLE org_creations;
DROP TABLE idempotency_keys;
