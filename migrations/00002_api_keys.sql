-- +goose Up
CREATE TABLE api_keys (
    account_id   uuid        NOT NULL,
    id           uuid        NOT NULL,
    description  text        NOT NULL,
    digest       bytea       NOT NULL,
    hint         text        NOT NULL,
    scopes       text[]      NOT NULL,
    rate_limit   integer,    -- requests per second; 0 for no limit, NULL for the server's default
    -- The time from the last setting of the expiry to the expiry. A rotation gives the new
    -- key the same lifetime. NULL for a key that never expires.
    lifetime     interval,
    created_at   timestamptz NOT NULL DEFAULT now(),
    expires_at   timestamptz,
    revoked_at   timestamptz,
    last_used_at timestamptz,
    -- When the key was first rotated. From then on only an operator can move its expiry later.
    rotated_at   timestamptz,
    created_by_api_key_id uuid, -- NULL if an operator created the key

    CONSTRAINT api_keys_pkey PRIMARY KEY (account_id, id),
    -- Unique across accounts, because authentication finds a key by its digest alone, and
    -- an operator finds one by its id alone.
    CONSTRAINT api_keys_id_key UNIQUE (id),
    CONSTRAINT api_keys_digest_key UNIQUE (digest),
    CONSTRAINT api_keys_account_fkey FOREIGN KEY (account_id) REFERENCES accounts (id),
    CONSTRAINT api_keys_description_length CHECK (char_length(description) BETWEEN 1 AND 255),
    CONSTRAINT api_keys_digest_length CHECK (octet_length(digest) = 32),
    CONSTRAINT api_keys_hint_length CHECK (char_length(hint) BETWEEN 1 AND 16),
    CONSTRAINT api_keys_rate_limit_range CHECK (rate_limit BETWEEN 0 AND 1000000),
    CONSTRAINT api_keys_scopes_known CHECK (
        cardinality(scopes) > 0
        AND scopes <@ ARRAY['orgs:read', 'orgs:write', 'orgs:delete', 'members:write', 'users:erase', 'keys:manage', 'events:read', 'webhooks:manage', 'act-as-user']
    ),
    CONSTRAINT api_keys_times_finite CHECK (
        isfinite(created_at) AND isfinite(expires_at) AND isfinite(revoked_at) AND isfinite(last_used_at)
        AND isfinite(rotated_at)
    )
);
CREATE INDEX api_keys_by_created ON api_keys (account_id, created_at DESC, id DESC);
-- Finds an account's active keys without reading its revoked and expired ones.
CREATE INDEX api_keys_live ON api_keys (account_id, coalesce(expires_at, 'infinity')) WHERE revoked_at IS NULL;

-- Notifies every server of each change of a key that matters for authentication, even if
-- the change is made by hand in SQL. An update of last_used_at does not matter. A server
-- that is not listening sees a change at its next lookup of the key.
-- +goose StatementBegin
CREATE FUNCTION api_keys_notify() RETURNS trigger
    LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('orgd_api_keys', encode(OLD.digest, 'hex'));
    RETURN NULL;
END
$$;
-- +goose StatementEnd

CREATE TRIGGER api_keys_updated AFTER UPDATE ON api_keys FOR EACH ROW
    WHEN ((OLD.account_id, OLD.id, OLD.digest, OLD.scopes, OLD.rate_limit, OLD.expires_at, OLD.revoked_at)
        IS DISTINCT FROM (NEW.account_id, NEW.id, NEW.digest, NEW.scopes, NEW.rate_limit, NEW.expires_at, NEW.revoked_at))
    EXECUTE FUNCTION api_keys_notify();

CREATE TRIGGER api_keys_deleted AFTER DELETE ON api_keys FOR EACH ROW
    EXECUTE FUNCTION api_keys_notify();

-- Suspending an account invalidates all its keys; resuming it makes them valid again. The
-- payload is empty instead of a digest, so servers drop all keys from their caches.
-- +goose StatementBegin
CREATE FUNCTION accounts_notify() RETURNS trigger
    LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('orgd_api_keys', '');
    RETURN NULL;
END
$$;
-- +goose StatementEnd

CREATE TRIGGER accounts_suspended AFTER UPDATE ON accounts FOR EACH ROW
    WHEN (OLD.suspended_at IS DISTINCT FROM NEW.suspended_at)
    EXECUTE FUNCTION accounts_notify();

-- +goose Down
DROP TRIGGER accounts_suspended ON accounts;
DROP FUNCTION accounts_notify();
DROP TABLE api_keys;
DROP FUNCTION api_keys_notify();
