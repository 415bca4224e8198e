-- +goose Up
-- In every table that grows, account_id is the first column of the primary key, so that
-- the table can later be distributed by account. accounts and api_keys are small, and are
-- read before the account of a request is known.
CREATE TABLE accounts (
    id           uuid        NOT NULL,
    name         text        NOT NULL,
    created_at   timestamptz NOT NULL DEFAULT now(),
    suspended_at timestamptz, -- the account's keys are invalid while this is set

    CONSTRAINT accounts_pkey PRIMARY KEY (id),
    CONSTRAINT accounts_name_length CHECK (char_length(name) BETWEEN 1 AND 255),
    CONSTRAINT accounts_times_finite CHECK (isfinite(created_at) AND isfinite(suspended_at))
);

-- +goose Down
DROP TABLE accounts;
