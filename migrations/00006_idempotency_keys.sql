-- +goose Up
-- The results of calls with an Idempotency-Key, kept for 24 hours.
CREATE TABLE idempotency_keys (
    account_id  uuid        NOT NULL,
    key_digest  bytea       NOT NULL, -- SHA-256 of the operation and the client's key
    call_digest bytea       NOT NULL, -- SHA-256 of the call's user and parameters
    org_id      uuid,                 -- the organization that the call is about, if any
    result      jsonb       NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT now(),

    CONSTRAINT idempotency_keys_pkey PRIMARY KEY (account_id, key_digest),
    CONSTRAINT idempotency_keys_key_digest_length CHECK (octet_length(key_digest) = 32),
    CONSTRAINT idempotency_keys_call_digest_length CHECK (octet_length(call_digest) = 32),
    CONSTRAINT idempotency_keys_created_at_finite CHECK (isfinite(created_at))
);
CREATE INDEX idempotency_keys_by_age ON idempotency_keys (created_at);
CREATE INDEX idempotency_keys_by_org ON idempotency_keys (account_id, org_id) WHERE org_id IS NOT NULL;

-- +goose Down
DROP TABLE idempotency_keys;
