-- +goose Up
-- Creations whose response may not have reached the client, for clients that count their
-- retries but send no Idempotency-Key. The row is inserted with the organization, and
-- deleted before the response is sent. A later retry may return the organization only if
-- the row still exists.
CREATE TABLE unanswered_creations (
    account_id  uuid        NOT NULL,
    call_digest bytea       NOT NULL, -- SHA-256 of the account, API key, user and parameters
    call_id     uuid        NOT NULL, -- the call that may return the organization, unless taken is set
    org_id      uuid        NOT NULL,
    owner       bigint      NOT NULL, -- the advisory lock that the call's process holds while it runs
    lost_at     timestamptz,          -- when the process found that the response did not arrive; otherwise NULL
    taken       boolean     NOT NULL DEFAULT false, -- a retry has taken over the organization, and has its own row
    created_at  timestamptz NOT NULL DEFAULT now(),

    CONSTRAINT unanswered_creations_pkey PRIMARY KEY (account_id, call_digest, call_id),
    CONSTRAINT unanswered_creations_call_digest_length CHECK (octet_length(call_digest) = 32),
    CONSTRAINT unanswered_creations_times_finite CHECK (isfinite(created_at) AND isfinite(lost_at))
);

-- +goose Down
DROP TABLE unanswered_creations;
