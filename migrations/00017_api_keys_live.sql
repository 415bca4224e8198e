-- +goose NO TRANSACTION
-- +goose Up
-- Finds the valid keys of an account, however many have ended.
SET lock_timeout = 0;
DROP INDEX CONCURRENTLY IF EXISTS api_keys_live;
CREATE INDEX CONCURRENTLY api_keys_live ON api_keys (account_id, coalesce(expires_at, 'infinity')) WHERE revoked_at IS NULL;
RESET lock_timeout;

-- +goose Down
DROP INDEX CONCURRENTLY api_keys_live;
