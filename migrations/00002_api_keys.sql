-- +goose Up
CREATE TABLE api_keys (
    account_id   uuid        NOT NULL,
    id           uuid        NOT NULL,
    description  text        NOT NULL,
    digest       bytea       NOT NULL,
    hint         text        NOT NULL,
    scopes       text[]      NOT NULL,
    created_at   timestamptz NOT NULL DEFAULT now(),
    expires_at   timestamptz,
    revoked_at   timestamptz,
    last_used_at timestamptz,

    CONSTRAINT api_keys_pkey PRIMARY KEY (account_id, id),
    -- Unique across accounts: authentication finds a key by its digest, and an
    -- operator revokes it by its id, without the account.
    CONSTRAINT api_keys_id_key UNIQUE (id),
    CONSTRAINT api_keys_digest_key UNIQUE (digest),
    CONSTRAINT api_keys_account_fkey FOREIGN KEY (account_id) REFERENCES accounts (id),
    CONSTRAINT api_keys_description_length CHECK (char_length(description) BETWEEN 1 AND 255),
    CONSTRAINT api_keys_digest_length CHECK (octet_length(digest) = 32),
    CONSTRAINT api_keys_hint_length CHECK (char_length(hint) BETWEEN 1 AND 16),
    CONSTRAINT api_keys_scopes_known CHECK (
        cardinality(scopes) > 0
        AND scopes <@ ARRAY['orgs:read', 'orgs:write', 'members:write', 'keys:manage', 'act-as-user']
    ),
    CONSTRAINT api_keys_times_finite CHECK (
        isfinite(created_at) AND isfinite(expires_at) AND isfinite(revoked_at) AND isfinite(last_used_at)
    )
);

-- +goose Down
DROP TABLE api_keys;
