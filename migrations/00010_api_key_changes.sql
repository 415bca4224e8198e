-- +goose Up
-- rate_limit is in requests per second; 0 for no limit, NULL for the server's default.
-- lifetime is the lifetime that the key was created with, which a rotation passes on;
-- NULL for unlimited.
ALTER TABLE api_keys
    ADD COLUMN rate_limit integer,
    ADD COLUMN lifetime interval,
    ADD CONSTRAINT api_keys_rate_limit_range CHECK (rate_limit BETWEEN 0 AND 1000000);

-- Notifies every server of each change to a key that matters for authentication,
-- however it is made. The use of a key is no such change. A server that does not listen
-- sees the change at its next look-up.
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

UPDATE api_keys SET lifetime = expires_at - created_at WHERE expires_at IS NOT NULL;

CREATE INDEX api_keys_by_created ON api_keys (account_id, created_at DESC, id DESC);

-- +goose Down
DROP INDEX api_keys_by_created;
DROP TRIGGER api_keys_deleted ON api_keys;
DROP TRIGGER api_keys_updated ON api_keys;
DROP FUNCTION api_keys_notify();
ALTER TABLE api_keys DROP COLUMN lifetime, DROP COLUMN rate_limit;
