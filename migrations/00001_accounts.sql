-- +goose Up
-- accounts and api_keys are looked up without an account and stay on one node. All other
-- tables have account_id first in their keys, so they can be distributed by it.
CREATE TABLE accounts (
    id           uuid        NOT NULL,
    name         text        NOT NULL,
    created_at   timestamptz NOT NULL DEFAULT now(),
    suspended_at timestamptz, -- while it is set, the account's keys are invalid

    CONSTRAINT accounts_pkey PRIMARY KEY (id),
    CONSTRAINT accounts_name_length CHECK (char_length(name) BETWEEN 1 AND 255),
    CONSTRAINT accounts_times_finite CHECK (isfinite(created_at) AND isfinite(suspended_at))
);

-- +goose Down
DROP TABLE accounts;
