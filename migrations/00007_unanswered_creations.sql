-- +goose Up
-- Creations whose response may not have arrived, for clients that count their retries
-- but send no Idempotency-Key. The row is inserted with the organization, and deleted
-- before the response is sent. A later retry may get the organization only if the row
-- still exists.
CREATE TABLE unanswered_creations (
    account_id  uuid        NOT NULL,
    call_digest bytea       NOT NULL, -- of the whole call
    call_id     uuid        NOT NULL, -- the only call that may return the organization
    org_id      uuid        NOT NULL,
    owner       bigint      NOT NULL, -- the advisory lock that the call's process holds while it runs
    lost_at     timestamptz,          -- when the process found that its response did not arrive
    taken       boolean     NOT NULL DEFAULT false, -- a retry took the organization, under another call_id
    created_at  timestamptz NOT NULL DEFAULT now(),

    CONSTRAINT unanswered_creations_pkey PRIMARY KEY (account_id, call_digest, call_id),
    CONSTRAINT unanswered_creations_call_digest_length CHECK (octet_length(call_digest) = 32),
    CONSTRAINT unanswered_creations_times_finite CHECK (isfinite(created_at) AND isfinite(lost_at))
);

-- +goose Down
DROP TABLE unanswered_creations;
