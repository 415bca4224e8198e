-- +goose Up
-- In its own transaction, this does not block the servers.
ALTER TABLE api_keys VALIDATE CONSTRAINT api_keys_scopes_known;

-- +goose Down
-- Nothing to do: the Down section of the migration before this one replaces the constraint.
SELECT 1;
