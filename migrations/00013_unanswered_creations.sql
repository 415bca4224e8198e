-- +goose Up
-- Creations that are not known to be answered, for clients that count their retries
-- and do not name their calls. The row comes with the organization, and goes before
-- the answer is sent. A later retry may have the organization only if its row is still
-- there. Older releases use org_creations, which a later release drops.
CREATE TABLE unanswered_creations (
    account_id  uuid        NOT NULL,
    call_digest bytea       NOT NULL, -- of all that the call says
    call_id     uuid        NOT NULL, -- the one call that may answer with the organization
    org_id      uuid        NOT NULL,
    owner       bigint      NOT NULL, -- the advisory lock that the call's process holds while it lives
    lost_at     timestamptz,          -- when the process knew that its answer did not arrive
    taken       boolean     NOT NULL DEFAULT false, -- a retry has the organization, under another call_id
    created_at  timestamptz NOT NULL DEFAULT now(),

    CONSTRAINT unanswered_creations_pkey PRIMARY KEY (account_id, call_digest, call_id),
    CONSTRAINT unanswered_creations_call_digest_length CHECK (octet_length(call_digest) = 32),
    CONSTRAINT unanswered_creations_times_finite CHECK (isfinite(created_at) AND isfinite(lost_at))
);

-- +goose Down
DROP TABLE unanswered_creations;
